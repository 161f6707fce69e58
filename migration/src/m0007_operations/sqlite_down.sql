DROP TRIGGER image_gallery_trail_update;
-- As migration m0003_trail creates it.
CREATE TRIGGER image_gallery_trail_update AFTER UPDATE ON image_gallery
WHEN old.image_id IS new.image_id AND (
    old.user_id IS NOT new.user_id
    OR old.image_url IS NOT new.image_url
    OR old.original_prompt IS NOT new.original_prompt
    OR old.refined_prompt IS NOT new.refined_prompt
    OR old.intent IS NOT new.intent
    OR old.metadata IS NOT new.metadata
    OR old.created_at IS NOT new.created_at
    OR old.deleted_at IS NOT new.deleted_at
)
BEGIN
    INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
    SELECT
        CASE
            WHEN old.deleted_at IS NULL AND new.deleted_at IS NOT NULL THEN 'SOFT_DELETED'
            WHEN old.deleted_at IS NOT NULL AND new.deleted_at IS NULL THEN 'RESTORED'
            ELSE 'UPDATED'
        END,
        new.image_id, new.user_id, new.image_url, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), actor
    FROM image_gallery_trail;
END;

DROP INDEX image_gallery_event_operation;
ALTER TABLE image_gallery_event DROP COLUMN operation;
ALTER TABLE image_gallery_trail DROP COLUMN operation;
