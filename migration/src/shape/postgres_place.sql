-- The relation with this name, its schema and its owner.
WITH found AS (
    SELECT *, relnamespace::regnamespace::text AS schema_name FROM pg_class WHERE oid = to_regclass('image_gallery')
)
SELECT format('no schema of the search path (%s) is there to make tables in', current_setting('search_path')) AS difference
WHERE current_schema() IS NULL
UNION ALL
SELECT format('`image_gallery` is %s, expected a table of its own', CASE
    WHEN relispartition THEN 'a partition of another table'
    WHEN relkind = 'r' THEN 'a part of other tables by inheritance'
    WHEN relkind = 'p' THEN 'a partitioned table'
    WHEN relkind = 'v' THEN 'a view'
    WHEN relkind = 'm' THEN 'a materialized view'
    WHEN relkind = 'f' THEN 'a foreign table'
    WHEN relkind IN ('i', 'I') THEN 'an index'
    WHEN relkind = 'S' THEN 'a sequence'
    ELSE 'a type'
END)
FROM found
WHERE relkind <> 'r' OR relispartition
    OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = found.oid OR inhparent = found.oid)
UNION ALL
SELECT format('`image_gallery` is in the schema %s, but new tables are created in %I, which comes first in the search path (%s)',
    schema_name, current_schema(), current_setting('search_path'))
FROM found WHERE relnamespace <> to_regnamespace(quote_ident(current_schema()))
UNION ALL
SELECT format('`image_gallery` belongs to the role `%s`, and `%s` is not a member of it: connect as its owner, or GRANT %1$I TO %2$I',
    pg_get_userbyid(relowner), current_user)
FROM found WHERE NOT pg_has_role(relowner, 'USAGE')
UNION ALL
SELECT format('the role `%s` may not make tables in the schema `%s`: GRANT CREATE ON SCHEMA %2$I TO %1$I', current_user, current_schema())
WHERE NOT has_schema_privilege(current_schema(), 'CREATE')
UNION ALL
-- Before the first migration nothing can be ours.
SELECT format('`%s` exists already, and was not created by this program', relname)
FROM pg_class
WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))
    AND to_regclass(quote_ident(current_schema()) || '.seaql_migrations') IS NULL
    AND relname IN (
        'image_gallery_active_created', 'image_gallery_active_updated', 'image_gallery_owner_active_created',
        'image_gallery_owner_active_updated', 'image_gallery_trash', 'image_gallery_owner_trash', 'image_gallery_metadata',
        'image_gallery_search', 'image_gallery_event', 'image_gallery_trail', 'image_gallery_once_key',
        'image_gallery_tag', 'image_gallery_favorite')
