-- The audit trail. There is one writer at a time, so rows commit in the order in which they are written, and a rollback
-- frees its numbers: the key is the dense position in the trail.
CREATE TABLE image_gallery_event (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL CHECK (type IN ('CREATED', 'UPDATED', 'SOFT_DELETED', 'RESTORED', 'PURGED')),
    image_id BLOB NOT NULL,
    user_id TEXT NOT NULL,
    image_url TEXT NOT NULL,
    occurred_at TEXT NOT NULL,
    actor TEXT
);
CREATE INDEX image_gallery_event_owner ON image_gallery_event (user_id, position);
CREATE INDEX image_gallery_event_image ON image_gallery_event (image_id, position);

-- One row: the last deleted position and, during a transaction of this server, the actor. It is always committed as
-- null, so that changes by other programs have no actor.
CREATE TABLE image_gallery_trail (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    pruned_position INTEGER NOT NULL,
    actor TEXT
);
INSERT INTO image_gallery_trail (only_row, pruned_position) VALUES (1, 0);

CREATE TRIGGER image_gallery_trail_insert AFTER INSERT ON image_gallery
BEGIN
    INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
    SELECT 'CREATED', new.image_id, new.user_id, new.image_url, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), actor
    FROM image_gallery_trail;
END;

-- A changed id means that one image is purged and another one created.
CREATE TRIGGER image_gallery_trail_update_id AFTER UPDATE ON image_gallery WHEN old.image_id IS NOT new.image_id
BEGIN
    INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
    SELECT 'PURGED', old.image_id, old.user_id, old.image_url, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), actor
    FROM image_gallery_trail;
    INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
    SELECT 'CREATED', new.image_id, new.user_id, new.image_url, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), actor
    FROM image_gallery_trail;
END;

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

CREATE TRIGGER image_gallery_trail_delete AFTER DELETE ON image_gallery
BEGIN
    INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
    SELECT 'PURGED', old.image_id, old.user_id, old.image_url, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), actor
    FROM image_gallery_trail;
END;
