-- The default gives every event the operation of its transaction, whichever trigger writes it. Set separately, so that
-- events that exist get none and the table is not rewritten.
ALTER TABLE image_gallery_event ADD COLUMN IF NOT EXISTS operation uuid;
ALTER TABLE image_gallery_event ALTER COLUMN operation
    SET DEFAULT CAST(nullif(current_setting('image_gallery.operation', true), '') AS uuid);
