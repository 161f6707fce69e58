CREATE TRIGGER image_gallery_once_key_delete AFTER DELETE ON image_gallery
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION image_gallery_free_once_keys();
CREATE TRIGGER image_gallery_once_key_truncate AFTER TRUNCATE ON image_gallery
    FOR EACH STATEMENT EXECUTE FUNCTION image_gallery_free_once_keys();
