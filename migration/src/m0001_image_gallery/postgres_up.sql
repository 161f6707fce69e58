-- The migration's own table lies in a schema that Supabase serves to the world: closed, like every table of ours.
ALTER TABLE seaql_migrations ENABLE ROW LEVEL SECURITY;

DO $$
BEGIN
    IF to_regclass('image_gallery') IS NULL THEN
        CREATE TABLE image_gallery (
            image_id uuid PRIMARY KEY,
            user_id varchar(255) NOT NULL,
            image_url varchar(1024) NOT NULL,
            refined_prompt text,
            intent varchar(100),
            metadata jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            deleted_at timestamptz
        );
        ALTER TABLE image_gallery ENABLE ROW LEVEL SECURITY;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'anon') THEN
            REVOKE ALL ON image_gallery, seaql_migrations FROM anon;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'authenticated') THEN
            REVOKE ALL ON image_gallery, seaql_migrations FROM authenticated;
        END IF;
    END IF;

    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'image_gallery'::regclass AND attname = 'original_prompt' AND NOT attisdropped
    ) THEN
        ALTER TABLE image_gallery ADD COLUMN original_prompt text;
        -- By this mark `down` tells the column from one that stood there before.
        COMMENT ON COLUMN image_gallery.original_prompt IS 'added by image-gallery';
    END IF;
END
$$;

CREATE INDEX image_gallery_metadata ON image_gallery USING gin (metadata jsonb_path_ops);
