//! The Django project in `tests/django`, run by its own Python environment in the target folder.
//!
//! With `REQUIRE_DJANGO=1` pip installs the environment if it is missing. Without the variable nothing is installed,
//! and the Django tests are skipped with a message unless the environment exists.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use super::{TestDatabase, requires};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django");

/// The project with a database, and with a role that owns it and is not a superuser.
pub(crate) struct Django {
    python: PathBuf,
    database_url: String,
}

impl Django {
    /// Runs its migrations; `None` without Django, after a message.
    pub(crate) async fn on(database: &TestDatabase) -> Option<Self> {
        let python = python()?;
        let name = database.db_query_text("SELECT current_database()").await;
        let name = name.expect("a name");
        // With the database's name, the role is dropped with it.
        database
            .db_execute(&format!(
                "SET password_encryption = 'scram-sha-256'; CREATE ROLE {name} LOGIN PASSWORD 'django';
                 ALTER DATABASE {name} OWNER TO {name}"
            ))
            .await;
        let django = Self {
            python: python.to_owned(),
            database_url: database.url_of_role(&name, "django"),
        };
        django.manage(&["migrate", "--verbosity=0"]);
        Some(django)
    }

    /// The same on a table that it did not make, as the database's owner.
    pub(crate) fn beside(database: &TestDatabase) -> Option<Self> {
        Some(Self {
            python: python()?.to_owned(),
            database_url: database.url(),
        })
    }

    /// Runs one of the project's commands, and returns its output.
    pub(crate) fn manage(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("Python runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "manage.py {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts the command that writes on demand.
    pub(crate) fn write(&self) -> DjangoWriter {
        let mut command = self.command(&["write_images"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("Python runs");
        DjangoWriter {
            orders: process.stdin.take().expect("a pipe"),
            changes: BufReader::new(process.stdout.take().expect("a pipe")),
            process,
        }
    }

    /// Starts its REST calls.
    pub(crate) fn serve(&self) -> DjangoServer {
        let mut command = self.command(&["serve_rest"]);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("Python runs");
        let mut port = String::new();
        BufReader::new(process.stdout.take().expect("a pipe"))
            .read_line(&mut port)
            .expect("it starts");
        DjangoServer {
            process,
            rest: format!("http://127.0.0.1:{}/v1/gallery", port.trim()),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command
            .arg("manage.py")
            .args(arguments)
            .current_dir(PROJECT)
            .env("DATABASE_URL", &self.database_url)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// A Django process that inserts, changes, soft-deletes, restores and deletes.
pub(crate) struct DjangoWriter {
    process: Child,
    orders: ChildStdin,
    changes: BufReader<ChildStdout>,
}

impl DjangoWriter {
    /// Makes this many changes, and returns them once all are committed: the expected event of each, and the image.
    pub(crate) fn go(&mut self, changes: usize) -> Vec<(String, String)> {
        writeln!(self.orders, "{changes}").expect("it listens");
        let mut line = String::new();
        self.changes.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"))
    }
}

impl Drop for DjangoWriter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A Django process that serves the REST calls.
pub(crate) struct DjangoServer {
    process: Child,
    /// The URL of the calls, without a slash at the end.
    pub(crate) rest: String,
}

impl Drop for DjangoServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python with Django.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PYTHON.get_or_init(environment) {
        Ok(python) => Some(python),
        Err(hint) => {
            requires("REQUIRE_DJANGO", hint);
            None
        }
    }
}

/// Once for each set of versions.
#[expect(
    clippy::disallowed_methods,
    reason = "settings of a test run, not of the program"
)]
fn environment() -> Result<PathBuf, String> {
    let requirements = Path::new(PROJECT).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("django");
    let python = home.join("bin/python");
    // Written last, so it proves that the environment is complete, and for which versions.
    let finished = home.join("requirements.txt");
    if fs::read_to_string(&finished).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if std::env::var_os("REQUIRE_DJANGO").is_none_or(|value| value != "1") {
        return Err("no Django; REQUIRE_DJANGO=1 installs it under the target folder".to_owned());
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&home))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--requirement",
    ];
    run(Command::new(&python).args(pip).arg(&requirements))?;
    fs::write(&finished, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}
