-- One index for each order in which the gallery and the trash are read, for everybody's rows and for one owner's.
CREATE INDEX image_gallery_active_created ON image_gallery (created_at, image_id) WHERE deleted_at IS NULL;
CREATE INDEX image_gallery_active_updated ON image_gallery (updated_at, image_id) WHERE deleted_at IS NULL;
CREATE INDEX image_gallery_owner_active_created ON image_gallery (user_id, created_at, image_id) WHERE deleted_at IS NULL;
CREATE INDEX image_gallery_owner_active_updated ON image_gallery (user_id, updated_at, image_id) WHERE deleted_at IS NULL;
CREATE INDEX image_gallery_trash ON image_gallery (deleted_at, image_id) WHERE deleted_at IS NOT NULL;
CREATE INDEX image_gallery_owner_trash ON image_gallery (user_id, deleted_at, image_id) WHERE deleted_at IS NOT NULL;
