-- The image of an owner for each key. No foreign key, which would prevent another application from a TRUNCATE of its table.
CREATE TABLE IF NOT EXISTS image_gallery_once_key (
    user_id text NOT NULL,
    once_key text NOT NULL,
    image_id uuid NOT NULL,
    PRIMARY KEY (user_id, once_key)
);
CREATE INDEX IF NOT EXISTS image_gallery_once_key_image ON image_gallery_once_key (image_id);

-- Runs with its owner's privileges, so another application's role needs none on the keys.
CREATE OR REPLACE FUNCTION image_gallery_free_once_keys() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM image_gallery_once_key;
    ELSE
        DELETE FROM image_gallery_once_key AS key USING old_rows WHERE key.image_id = old_rows.image_id;
    END IF;
    RETURN NULL;
END
$function$;

-- Resolves names in the schema of the tables, regardless of the search path of the session that fires a trigger.
DO $$
DECLARE
    role text;
BEGIN
    EXECUTE format(
        'ALTER FUNCTION image_gallery_free_once_keys() SET search_path = pg_catalog, %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION image_gallery_free_once_keys() FROM PUBLIC;
    -- Supabase's public roles, whose default privileges include everything created in `public`.
    FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION image_gallery_free_once_keys() FROM %I', role);
    END LOOP;
END
$$;
