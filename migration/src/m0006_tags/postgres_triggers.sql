CREATE TRIGGER image_gallery_tag_delete AFTER DELETE ON image_gallery
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION image_gallery_forget_tags();
CREATE TRIGGER image_gallery_tag_truncate AFTER TRUNCATE ON image_gallery
    FOR EACH STATEMENT EXECUTE FUNCTION image_gallery_forget_tags();
CREATE TRIGGER image_gallery_tag_update AFTER UPDATE ON image_gallery
    FOR EACH ROW EXECUTE FUNCTION image_gallery_follow_tags();
