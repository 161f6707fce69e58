DROP FUNCTION IF EXISTS image_gallery_prune_events(timestamptz, integer);
DROP FUNCTION IF EXISTS image_gallery_sequence_events(integer);
DROP FUNCTION IF EXISTS image_gallery_record_update();
DROP FUNCTION IF EXISTS image_gallery_record_events();
DROP TABLE IF EXISTS image_gallery_trail;
DROP TABLE IF EXISTS image_gallery_event;
