//! Who may reach the tables, on Postgres: Supabase serves what lies in `public` to the whole world, by its REST gateway
//! and as the roles `anon` and `authenticated`, unless row security is on.

use sea_orm_migration::prelude::*;

use crate::query;

/// Statements that turn row security on for tables of ours, and take from the world's roles what rights they have.
/// Owners and those who have the owner's role are not held up by row security.
pub(crate) fn closed(tables: &[&str]) -> String {
    let names: Vec<String> = tables.iter().map(|name| format!("'{name}'")).collect();
    format!(
        "DO $$
        DECLARE
            name text;
            role text;
        BEGIN
            FOREACH name IN ARRAY ARRAY[{}] LOOP
                -- Asked first, because the statement locks the table though there is nothing to do.
                IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = name::regclass) THEN
                    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
                END IF;
                FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                    EXECUTE format('REVOKE ALL ON %I FROM %I', name, role);
                END LOOP;
            END LOOP;
        END
        $$;",
        names.join(", ")
    )
}

/// What somebody should look at, one sentence each: a table of images that the world may read or write, and rows that
/// are hidden from this role.
pub(crate) async fn warnings(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut warnings = Vec::new();
    if let Some(roles) = query::value::<Option<String>>(connection, WORLD).await? {
        warnings.push(format!(
            "row security is off for `image_gallery`, and {roles} may use it: Supabase's REST gateway serves it to the \
             world. Nothing was changed; to close it: ALTER TABLE image_gallery ENABLE ROW LEVEL SECURITY (roles other \
             than its owner then need policies)"
        ));
    }
    for row in query::rows(connection, HIDDEN).await? {
        let (table, owner): (String, String) =
            (row.try_get("", "relname")?, row.try_get("", "owner")?);
        let role: String = row.try_get("", "role")?;
        warnings.push(format!(
            "row security hides rows of `{table}` from the role `{role}`: connect as its owner, or GRANT \"{owner}\" TO \
             \"{role}\" (where row security is forced even upon the owner, a policy is needed)"
        ));
    }
    Ok(warnings)
}

/// The world's roles that have a right on the table while it is open.
const WORLD: &str = "(SELECT string_agg(rolname, ' and ' ORDER BY rolname) FROM pg_roles, pg_class
    WHERE rolname IN ('anon', 'authenticated') AND pg_class.oid = to_regclass('image_gallery') AND NOT relrowsecurity
        AND (has_table_privilege(pg_roles.oid, pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(pg_roles.oid, pg_class.oid, 'SELECT, INSERT, UPDATE')))";

const HIDDEN: &str = "SELECT relname::text, pg_get_userbyid(relowner)::text AS owner, current_user::text AS role FROM pg_class
    WHERE oid IN (to_regclass('image_gallery'), to_regclass('image_gallery_event'), to_regclass('image_gallery_trail'),
        to_regclass('seaql_migrations'))
        AND row_security_active(oid)
    ORDER BY relname";
