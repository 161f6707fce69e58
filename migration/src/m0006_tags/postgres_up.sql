-- The owners' tags on images, and their favourites. No foreign keys, which would prevent another application from a
-- TRUNCATE of its table. Tags are equal if `folded` is; `tag` is the spelling that is shown. In the collation "C" texts
-- with the same beginning are one range of an index, whatever the database's locale.
CREATE TABLE IF NOT EXISTS image_gallery_tag (
    image_id uuid NOT NULL,
    user_id text NOT NULL,
    folded text COLLATE "C" NOT NULL,
    tag text NOT NULL,
    PRIMARY KEY (image_id, folded)
);
CREATE INDEX IF NOT EXISTS image_gallery_tag_owner ON image_gallery_tag (user_id, folded, image_id);
CREATE INDEX IF NOT EXISTS image_gallery_tag_folded ON image_gallery_tag (folded, user_id, image_id);

CREATE TABLE IF NOT EXISTS image_gallery_favorite (
    image_id uuid PRIMARY KEY,
    user_id text NOT NULL
);
CREATE INDEX IF NOT EXISTS image_gallery_favorite_owner ON image_gallery_favorite (user_id, image_id);

-- Run with their owner's privileges, so another application's role needs none on these tables.
CREATE OR REPLACE FUNCTION image_gallery_forget_tags() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM image_gallery_tag;
        DELETE FROM image_gallery_favorite;
    ELSE
        DELETE FROM image_gallery_tag AS label USING old_rows WHERE label.image_id = old_rows.image_id;
        DELETE FROM image_gallery_favorite AS favorite USING old_rows WHERE favorite.image_id = old_rows.image_id;
    END IF;
    RETURN NULL;
END
$function$;

-- Tags stay with an image that is given to another owner, in the spelling that the new owner already has. An image with a
-- new id is another image, as in the trail. The comparison is not in the trigger's WHEN condition, because the type of a
-- column in such a condition cannot be changed by another application.
CREATE OR REPLACE FUNCTION image_gallery_follow_tags() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
    IF OLD.image_id IS DISTINCT FROM NEW.image_id THEN
        DELETE FROM image_gallery_tag AS label WHERE label.image_id = OLD.image_id;
        DELETE FROM image_gallery_favorite AS favorite WHERE favorite.image_id = OLD.image_id;
    ELSIF OLD.user_id IS DISTINCT FROM NEW.user_id THEN
        UPDATE image_gallery_tag AS label
        SET user_id = NEW.user_id,
            tag = coalesce(
                (SELECT known.tag FROM image_gallery_tag AS known
                WHERE known.user_id = NEW.user_id AND known.folded = label.folded LIMIT 1),
                label.tag)
        WHERE label.image_id = NEW.image_id;
        UPDATE image_gallery_favorite AS favorite SET user_id = NEW.user_id WHERE favorite.image_id = NEW.image_id;
    END IF;
    RETURN NULL;
END
$function$;

-- Resolves names in the schema of the tables, regardless of the search path of the session that fires a trigger.
DO $$
DECLARE
    name text;
    role text;
BEGIN
    FOREACH name IN ARRAY ARRAY['image_gallery_forget_tags()', 'image_gallery_follow_tags()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
        -- Supabase's public roles, whose default privileges include everything created in `public`.
        FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', name, role);
        END LOOP;
    END LOOP;
END
$$;
