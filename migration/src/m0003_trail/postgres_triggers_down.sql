DROP TRIGGER IF EXISTS image_gallery_trail_truncate ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_trail_delete ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_trail_update ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_trail_insert ON image_gallery;
