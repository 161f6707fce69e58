DROP FUNCTION IF EXISTS image_gallery_follow_tags();
DROP FUNCTION IF EXISTS image_gallery_forget_tags();
DROP TABLE IF EXISTS image_gallery_favorite;
DROP TABLE IF EXISTS image_gallery_tag;
