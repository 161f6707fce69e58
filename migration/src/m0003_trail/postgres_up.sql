-- The audit trail. Triggers write each row in the transaction of the change. Its dense `position` in the trail is
-- assigned after the commit, because values of `sequence` become visible out of order.
CREATE TABLE IF NOT EXISTS image_gallery_event (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint,
    type text NOT NULL CHECK (type IN ('CREATED', 'UPDATED', 'SOFT_DELETED', 'RESTORED', 'PURGED')),
    image_id uuid NOT NULL,
    user_id text NOT NULL,
    image_url text NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor text
);
CREATE INDEX IF NOT EXISTS image_gallery_event_waiting ON image_gallery_event (sequence) WHERE position IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS image_gallery_event_position ON image_gallery_event (position);
CREATE INDEX IF NOT EXISTS image_gallery_event_owner ON image_gallery_event (user_id, position);
CREATE INDEX IF NOT EXISTS image_gallery_event_image ON image_gallery_event (image_id, position);

-- One row: the last assigned position, and the last deleted one.
CREATE TABLE IF NOT EXISTS image_gallery_trail (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_position bigint NOT NULL DEFAULT 0,
    pruned_position bigint NOT NULL DEFAULT 0
);
INSERT INTO image_gallery_trail DEFAULT VALUES ON CONFLICT DO NOTHING;

-- Runs with its owner's privileges, so another application's role needs none on the trail. One statement creates an
-- event for each changed row. `sequence` is taken after the row locks, so it follows the order of an image's changes.
CREATE OR REPLACE FUNCTION image_gallery_record_events() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
-- An adopted table may have additional columns of any name.
#variable_conflict use_variable
DECLARE
    signed_by CONSTANT text := nullif(current_setting('image_gallery.actor', true), '');
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
        SELECT 'CREATED', image_id, user_id, image_url, clock_timestamp(), signed_by FROM new_rows;
    WHEN 'DELETE' THEN
        INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
        SELECT 'PURGED', image_id, user_id, image_url, clock_timestamp(), signed_by FROM old_rows;
    WHEN 'TRUNCATE' THEN
        EXECUTE format(
            'INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
            SELECT ''PURGED'', image_id, user_id, image_url, clock_timestamp(), $1 FROM %I.%I',
            TG_TABLE_SCHEMA, TG_TABLE_NAME
        ) USING signed_by;
    END CASE;
    RETURN NULL;
END
$function$;

-- A row trigger: joining the old and new rows of a statement takes longer than most updates. The comparison is not in
-- the trigger's WHEN condition, because the type of a column in such a condition cannot be changed by another
-- application.
CREATE OR REPLACE FUNCTION image_gallery_record_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
DECLARE
    signed_by CONSTANT text := nullif(current_setting('image_gallery.actor', true), '');
BEGIN
    IF OLD.image_id IS DISTINCT FROM NEW.image_id THEN
        -- A changed id means that one image is purged and another one created.
        INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
        VALUES
            ('PURGED', OLD.image_id, OLD.user_id, OLD.image_url, clock_timestamp(), signed_by),
            ('CREATED', NEW.image_id, NEW.user_id, NEW.image_url, clock_timestamp(), signed_by);
    ELSIF OLD.deleted_at IS DISTINCT FROM NEW.deleted_at
        OR OLD.user_id IS DISTINCT FROM NEW.user_id
        OR OLD.image_url IS DISTINCT FROM NEW.image_url
        OR OLD.original_prompt IS DISTINCT FROM NEW.original_prompt
        OR OLD.refined_prompt IS DISTINCT FROM NEW.refined_prompt
        OR OLD.intent IS DISTINCT FROM NEW.intent
        OR OLD.metadata IS DISTINCT FROM NEW.metadata
        OR OLD.created_at IS DISTINCT FROM NEW.created_at
    THEN
        INSERT INTO image_gallery_event (type, image_id, user_id, image_url, occurred_at, actor)
        VALUES (
            CASE
                WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN 'SOFT_DELETED'
                WHEN OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL THEN 'RESTORED'
                ELSE 'UPDATED'
            END,
            NEW.image_id, NEW.user_id, NEW.image_url, clock_timestamp(), signed_by
        );
    END IF;
    RETURN NULL;
END
$function$;

-- Assigns the next positions to the visible rows, in the order of `sequence`, and returns their number. Locks the row
-- of the trail first, so there is one sequencer at a time, and later statements see what the previous one committed. In
-- one call, so that a stalled client never holds the lock.
CREATE OR REPLACE FUNCTION image_gallery_sequence_events(batch integer) RETURNS bigint
LANGUAGE plpgsql
AS $function$
DECLARE
    last bigint;
    given bigint;
BEGIN
    SELECT last_position INTO STRICT last FROM image_gallery_trail FOR UPDATE;
    WITH placed AS (
        SELECT sequence, last + row_number() OVER (ORDER BY sequence) AS position
        FROM (
            SELECT sequence FROM image_gallery_event WHERE position IS NULL ORDER BY sequence LIMIT batch
        ) AS waiting
    )
    UPDATE image_gallery_event AS event SET position = placed.position
    FROM placed WHERE event.sequence = placed.sequence;
    GET DIAGNOSTICS given = ROW_COUNT;
    IF given > 0 THEN
        UPDATE image_gallery_trail SET last_position = last + given;
    END IF;
    RETURN given;
END
$function$;

-- Deletes the oldest events before a time, up to the first younger one, and returns their number.
CREATE OR REPLACE FUNCTION image_gallery_prune_events(before timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql
AS $function$
DECLARE
    through bigint;
    dropped bigint;
BEGIN
    PERFORM FROM image_gallery_trail FOR UPDATE;
    WITH oldest AS (
        SELECT event.position, event.occurred_at FROM image_gallery_event AS event
        WHERE event.position IS NOT NULL ORDER BY event.position LIMIT batch
    )
    SELECT max(oldest.position) INTO through FROM oldest
    WHERE oldest.position < coalesce(
        (SELECT min(young.position) FROM oldest AS young WHERE young.occurred_at >= before), 9223372036854775807);
    IF through IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE image_gallery_trail SET pruned_position = through;
    DELETE FROM image_gallery_event AS event WHERE event.position <= through;
    GET DIAGNOSTICS dropped = ROW_COUNT;
    RETURN dropped;
END
$function$;

-- Resolves names in the schema of the tables, regardless of the search path of the session that fires a trigger.
DO $$
DECLARE
    name text;
    role text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'image_gallery_record_events()',
        'image_gallery_record_update()',
        'image_gallery_sequence_events(integer)',
        'image_gallery_prune_events(timestamptz, integer)'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
    END LOOP;
    -- Supabase's public roles, whose default privileges include everything created in `public`.
    FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON SEQUENCE image_gallery_event_sequence_seq FROM %I', role);
        EXECUTE format(
            'REVOKE ALL ON FUNCTION image_gallery_record_events(), image_gallery_record_update(), '
            'image_gallery_sequence_events(integer), image_gallery_prune_events(timestamptz, integer) FROM %I', role);
    END LOOP;
END
$$;
