DROP TRIGGER image_gallery_trail_delete;
DROP TRIGGER image_gallery_trail_update;
DROP TRIGGER image_gallery_trail_update_id;
DROP TRIGGER image_gallery_trail_insert;
DROP TABLE image_gallery_trail;
DROP TABLE image_gallery_event;
