SELECT
    attname::text AS name,
    CASE format_type(atttypid, atttypmod)
        -- The maximum precision.
        WHEN 'timestamp(6) with time zone' THEN 'timestamptz'
        ELSE regexp_replace(
            replace(format_type(atttypid, atttypmod), 'character varying', 'varchar'),
            '^timestamp(\(\d\))? with time zone$', 'timestamptz\1')
    END AS kind,
    attnotnull OR typnotnull AS is_required,
    atthasdef OR attidentity <> '' OR typdefault IS NOT NULL AS has_default,
    attgenerated <> '' AS is_generated
FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
WHERE attrelid = to_regclass('image_gallery') AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
