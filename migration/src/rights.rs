//! Access to the tables on Postgres: Supabase exposes tables in `public` through its REST gateway to the public roles
//! `anon` and `authenticated`, unless they have row-level security.

use sea_orm_migration::prelude::*;

use crate::query;

/// Statements that enable row-level security on our tables and revoke the public roles' privileges. Owners and members
/// of the owner's role bypass row-level security.
pub(crate) fn closed(tables: &[&str]) -> String {
    let names: Vec<String> = tables.iter().map(|name| format!("'{name}'")).collect();
    format!(
        "DO $$
        DECLARE
            name text;
            role text;
        BEGIN
            FOREACH name IN ARRAY ARRAY[{}] LOOP
                -- Checked first, because the statement locks the table even if there is nothing to do.
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

/// Problems to review, one sentence each: a table of images that public roles can read or write, and rows hidden from
/// this role.
pub(crate) async fn warnings(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut warnings = Vec::new();
    if let Some(roles) = query::value::<Option<String>>(connection, WORLD).await? {
        warnings.push(format!(
            "row security is off for `image_gallery`, and {roles} can access it: Supabase's REST gateway exposes it \
             publicly. Nothing was changed; to restrict access: ALTER TABLE image_gallery ENABLE ROW LEVEL SECURITY \
             (roles other \
             than its owner then need policies)"
        ));
    }
    for row in query::rows(connection, HIDDEN).await? {
        let (table, owner): (String, String) =
            (row.try_get("", "relname")?, row.try_get("", "owner")?);
        let role: String = row.try_get("", "role")?;
        let remedy = if owner == role {
            "it is forced even upon the owner: a policy for this role is needed".to_owned()
        } else {
            format!(
                "connect as its owner, or GRANT \"{owner}\" TO \"{role}\" (where row security is forced even upon the \
                 owner, a policy is needed)"
            )
        };
        warnings.push(format!(
            "row security hides rows of `{table}` from the role `{role}`: {remedy}"
        ));
    }
    Ok(warnings)
}

/// The public roles with privileges on the table while it has no row-level security.
const WORLD: &str = "(SELECT string_agg(rolname, ' and ' ORDER BY rolname) FROM pg_roles, pg_class
    WHERE rolname IN ('anon', 'authenticated') AND pg_class.oid = to_regclass('image_gallery') AND NOT relrowsecurity
        AND (has_table_privilege(pg_roles.oid, pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(pg_roles.oid, pg_class.oid, 'SELECT, INSERT, UPDATE')))";

const HIDDEN: &str = "SELECT relname::text, pg_get_userbyid(relowner)::text AS owner, current_user::text AS role FROM pg_class
    WHERE oid IN (to_regclass('image_gallery'), to_regclass('image_gallery_event'), to_regclass('image_gallery_trail'),
        to_regclass('image_gallery_once_key'), to_regclass('image_gallery_tag'), to_regclass('image_gallery_favorite'),
        to_regclass('seaql_migrations'))
        AND row_security_active(oid)
    ORDER BY relname";
