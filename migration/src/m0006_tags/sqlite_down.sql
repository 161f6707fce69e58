DROP TRIGGER image_gallery_tag_update;
DROP TRIGGER image_gallery_tag_update_id;
DROP TRIGGER image_gallery_tag_delete;
DROP TABLE image_gallery_favorite;
DROP TABLE image_gallery_tag;
