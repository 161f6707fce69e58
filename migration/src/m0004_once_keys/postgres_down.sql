DROP FUNCTION IF EXISTS image_gallery_free_once_keys();
DROP TABLE IF EXISTS image_gallery_once_key;
