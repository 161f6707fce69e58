DROP INDEX IF EXISTS image_gallery_owner_trash;
DROP INDEX IF EXISTS image_gallery_trash;
DROP INDEX IF EXISTS image_gallery_owner_active_updated;
DROP INDEX IF EXISTS image_gallery_owner_active_created;
DROP INDEX IF EXISTS image_gallery_active_updated;
DROP INDEX IF EXISTS image_gallery_active_created;
