DROP TRIGGER IF EXISTS image_gallery_trail_truncate ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_trail_delete ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_trail_update ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_trail_insert ON image_gallery;
DROP FUNCTION IF EXISTS image_gallery_prune_events(timestamptz, integer);
DROP FUNCTION IF EXISTS image_gallery_sequence_events(integer);
DROP FUNCTION IF EXISTS image_gallery_record_events();
DROP TABLE IF EXISTS image_gallery_trail;
DROP TABLE IF EXISTS image_gallery_event;
