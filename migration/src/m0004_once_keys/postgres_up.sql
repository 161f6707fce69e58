-- Which image of an owner a key stands for. Not by a foreign key: another application could not TRUNCATE its table.
CREATE TABLE IF NOT EXISTS image_gallery_once_key (
    user_id text NOT NULL,
    once_key text NOT NULL,
    image_id uuid NOT NULL,
    PRIMARY KEY (user_id, once_key)
);
CREATE INDEX IF NOT EXISTS image_gallery_once_key_image ON image_gallery_once_key (image_id);

-- Another application's role needs no rights on the keys: this runs with its owner's.
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

-- Names are looked up in the schema of the tables, whatever the search path of the session that fires a trigger.
DO $$
DECLARE
    role text;
BEGIN
    EXECUTE format(
        'ALTER FUNCTION image_gallery_free_once_keys() SET search_path = pg_catalog, %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION image_gallery_free_once_keys() FROM PUBLIC;
    -- Supabase's roles of the world; its default privileges give them everything on what is made in `public`.
    FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION image_gallery_free_once_keys() FROM %I', role);
    END LOOP;
END
$$;
