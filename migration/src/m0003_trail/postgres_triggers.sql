-- In one transaction, so that every write is either before it, without events, or after it, with all of them.
CREATE TRIGGER image_gallery_trail_insert AFTER INSERT ON image_gallery
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION image_gallery_record_events();
CREATE TRIGGER image_gallery_trail_update AFTER UPDATE ON image_gallery
    FOR EACH ROW EXECUTE FUNCTION image_gallery_record_update();
CREATE TRIGGER image_gallery_trail_delete AFTER DELETE ON image_gallery
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION image_gallery_record_events();
-- After a TRUNCATE there is nothing left to record.
CREATE TRIGGER image_gallery_trail_truncate BEFORE TRUNCATE ON image_gallery
    FOR EACH STATEMENT EXECUTE FUNCTION image_gallery_record_events();
