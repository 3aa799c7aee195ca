//! Selects the program that restarts WSL: `kind-wsl.exe` if it started this program, otherwise the helper, otherwise a
//! command prompt window.

use std::error::Error;

use camino::Utf8PathBuf;
use kind_wsl_windows::request::{RestartRequest, Scope};

use super::{By, Bystanders, Restarting};
use crate::host::HostError;
use crate::journal::{Journal, Record};
use crate::ui;
use crate::windows::{self, Driver, Helper, Interop, InteropError};

/// Why the helper does not restart WSL.
enum RestartRefusal {
    /// No other program should try.
    Final(String),
    /// The helper cannot be used.
    Helper(String),
}

impl From<HostError> for RestartRefusal {
    fn from(error: HostError) -> Self {
        Self::Helper(chain(&error))
    }
}

impl From<InteropError> for RestartRefusal {
    fn from(error: InteropError) -> Self {
        Self::Helper(chain(&error))
    }
}

impl Restarting<'_> {
    /// Selects and prepares the program that restarts WSL. `Err(Some(reason))` is shown to the user.
    pub(super) fn hand_over(&self, scope: Scope, bystanders: &Bystanders) -> Result<By, Option<String>> {
        let host = &self.session.host;
        let agreed = bystanders.agreed(&mut self.answers.clone(), self.may_ask);
        if agreed.map_err(|gave_up| Some(gave_up.text))? != Some(true) {
            // kind-wsl.exe must not act on the consent to an earlier attempt.
            self.note(Record::RestartCancelled)?;
            let text = format!("it would stop {}; to allow that, use `--restart-all`", bystanders.name());
            return Err(Some(text));
        }
        if self.may_ask && ui::is_interactive() && !ui::confirm_or("Restart now?", true).unwrap_or_default() {
            self.note(Record::RestartCancelled)?;
            return Err(None);
        }
        if Driver::probe(host).is_some() {
            self.note(Record::RestartDelegated { place: None })?;
            return Ok(By::Driver);
        }
        let interop = Interop::new(host, &self.session.user).map_err(|e| Some(chain(&e)))?;
        let request = self.request(scope);
        match Helper::find(host) {
            None => self.prompt(&interop, &request).map_err(|e| Some(chain(&*e))),
            Some(helper) => self.helper(&interop, &helper, &request).or_else(|refusal| match refusal {
                RestartRefusal::Final(why) => Err(Some(why)),
                // If the command prompt works, the error of the helper does not matter.
                RestartRefusal::Helper(why) => self.prompt(&interop, &request).map_err(|_| Some(why)),
            }),
        }
    }

    pub(super) fn request(&self, scope: Scope) -> RestartRequest {
        RestartRequest {
            id: self.awaited.id.clone(),
            distribution: self.facts.wsl.distro().to_owned(),
            scope,
            user: self.session.user.name.clone(),
            program: self.session.program(),
            patience: None,
        }
    }

    /// Records that Windows restarts WSL, and the Windows directory to write to, before anything is written there.
    fn note(&self, record: Record) -> Result<(), Option<String>> {
        let journal = Journal::open(&self.session.host, &self.session.user.name);
        let noted = journal.and_then(|mut journal| journal.append(record));
        noted.map_err(|e| Some(chain(&e)))
    }

    fn helper(
        &self,
        interop: &Interop<'_>,
        helper: &Helper,
        request: &RestartRequest,
    ) -> Result<By, RestartRefusal> {
        let host = &self.session.host;
        let Some(profile) = &self.facts.windows.profile else {
            let text = "the profile of the Windows account was not found (`--windows-profile` names it)";
            return Err(RestartRefusal::Helper(text.to_owned()));
        };
        let handed = |place: &Utf8PathBuf| {
            let noted = self.note(Record::RestartDelegated { place: Some(place.clone()) });
            noted.map_err(|why| RestartRefusal::Final(why.unwrap_or_default()))
        };
        let place = Helper::dir_in(profile);
        handed(&place)?;
        let path = helper.install(host, &place, &self.session.user)?;
        let info = windows::ask(interop, &path)?;
        if let Some(why) = info.unable {
            return Err(RestartRefusal::Final(format!(
                "the helper cannot restart it from this session: {why}"
            )));
        }
        // The local application data of the account can be outside of its profile; the helper writes there.
        let named = info.folder.unwrap_or_default();
        let folder = interop.path(&named).unwrap_or_else(|| place.clone());
        if !Helper::is_own_dir(&folder) {
            let text = format!("the helper reports an unexpected folder `{named}`");
            return Err(RestartRefusal::Final(text));
        }
        if folder != place {
            handed(&folder)?;
        }
        windows::clear_stale_files(host, &folder, &self.awaited.id, &self.session.user)?;
        let command = windows::restart_command(interop, &path, request);
        let output = host.run(&command, &mut |_| {}).map_err(|e| match e {
            // Its error is about WSL or this session, so the command prompt would fail too.
            HostError::Failed { detail, .. } => RestartRefusal::Final(detail),
            e => RestartRefusal::from(e),
        })?;
        let log = output.stdout.lines().find_map(|l| l.trim_end().strip_prefix("log=")).unwrap_or_default();
        let rescue = log.rsplit_once('\\').filter(|_| helper.has_driver());
        let rescue = rescue.map(|(dir, _)| request.rescue(&format!("{dir}\\kind-wsl.exe")));
        Ok(By::Helper { place: folder, log: log.to_owned(), rescue })
    }

    /// Restarts WSL from a command prompt window. It survives the end of WSL, because `start` gives it its own console (WSL
    /// stops the console programs that it started, `interop.cpp:409`).
    fn prompt(&self, interop: &Interop<'_>, request: &RestartRequest) -> Result<By, Box<dyn Error>> {
        interop.running()?;
        let RestartRequest { distribution, program, user, .. } = request;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if ![distribution, program, user].iter().all(|word| word.chars().all(is_plain)) {
            return Err(format!("`{program}` has characters that the command prompt would interpret").into());
        }
        self.note(Record::RestartDelegated { place: None }).map_err(Option::unwrap_or_default)?;
        let stop = request.scope.stop(distribution);
        let lines =
            [stop, request.session(), request.resume()].map(|args| format!("wsl.exe {}", args.join(" ")));
        let line = lines.join(" & ");
        let args = ["/c", "start", "kind-wsl setup", "/D", r"C:\", "cmd.exe", "/k", &line];
        let cmd = interop.command(&interop.system("cmd.exe"), args);
        self.session.host.run(&cmd, &mut |_| {})?;
        Ok(By::Prompt)
    }
}

/// An error and its causes, on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let texts = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
    texts.collect::<Vec<_>>().join(": ")
}
