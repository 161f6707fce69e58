DROP TRIGGER IF EXISTS image_gallery_once_key_truncate ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_once_key_delete ON image_gallery;
