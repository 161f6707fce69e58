DROP TRIGGER IF EXISTS image_gallery_tag_update ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_tag_truncate ON image_gallery;
DROP TRIGGER IF EXISTS image_gallery_tag_delete ON image_gallery;
