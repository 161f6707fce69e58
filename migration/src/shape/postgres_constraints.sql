-- Constraints beyond the columns: another primary key, and everything else that may reject our rows.
WITH ours AS (
    SELECT attnum FROM pg_attribute
    WHERE attrelid = to_regclass('image_gallery') AND NOT attisdropped AND attname IN (
        'image_id', 'user_id', 'image_url', 'original_prompt', 'refined_prompt', 'intent', 'metadata', 'created_at',
        'updated_at', 'deleted_at')
),
named AS (
    SELECT attnum FROM pg_attribute
    WHERE attrelid = to_regclass('image_gallery') AND NOT attisdropped AND attname = 'image_id'
)
SELECT coalesce(
    (SELECT format('the primary key of `image_gallery` is %s%s, expected (image_id)', substring(pg_get_constraintdef(oid) FROM '\(.*\)'),
        CASE WHEN condeferrable THEN ', deferrable' ELSE '' END)
    FROM pg_constraint WHERE conrelid = to_regclass('image_gallery') AND contype = 'p'),
    '`image_gallery` has no primary key, expected (image_id)'
) AS difference
WHERE NOT EXISTS (
    SELECT FROM pg_constraint
    WHERE conrelid = to_regclass('image_gallery') AND contype = 'p' AND NOT condeferrable
        AND conkey = ARRAY(SELECT attnum FROM named)
)
UNION ALL
-- A unique index accepts all our rows if it contains the id, or a column that we leave null.
SELECT format('the unique index `%s` of `image_gallery` is stricter: %s', indexrelid::regclass, pg_get_indexdef(indexrelid))
FROM pg_index
WHERE indrelid = to_regclass('image_gallery') AND indisunique AND NOT indisprimary
    AND NOT EXISTS (SELECT FROM unnest((indkey::smallint[])[0:indnkeyatts - 1]) AS key WHERE key IN (SELECT attnum FROM named))
    AND NOT EXISTS (
        SELECT FROM unnest((indkey::smallint[])[0:indnkeyatts - 1]) AS key JOIN pg_attribute ON attnum = key
        WHERE attrelid = indrelid AND NOT atthasdef AND key NOT IN (SELECT attnum FROM ours))
UNION ALL
-- True for all our rows: the metadata is an object, and required columns are not null.
SELECT format('the constraint `%s` of `image_gallery` is stricter: %s', conname, pg_get_constraintdef(oid))
FROM pg_constraint
WHERE conrelid = to_regclass('image_gallery') AND contype IN ('c', 'f', 'x') AND conkey && ARRAY(SELECT attnum FROM ours)
    AND NOT (contype = 'c' AND pg_get_constraintdef(oid) ~ '^CHECK \(\((jsonb_typeof\(metadata\) = ''object''::text'
        '|(image_id|user_id|image_url|metadata|created_at|updated_at) IS NOT NULL)\)\)( NOT VALID)?$')
