// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Asking a program of the user's: a signer, or whoever keeps the passphrase. No shell is involved, its
//! messages go to stderr, and it can neither take for ever nor answer without end.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

const POLL: Duration = Duration::from_millis(5);

/// What the program printed, of which at most so many bytes are read.
///
/// # Errors
/// Why there is no answer, in words that follow the program's name.
pub(crate) fn ask(
    command: &[String],
    input: Option<&str>,
    patience: Duration,
    most_bytes: u64,
) -> std::result::Result<Zeroizing<Vec<u8>>, String> {
    let (program, args) = command.split_first().ok_or("no program is named")?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(match input {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        })
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        // A program that does not read its input may still answer.
        let _ = writeln!(pipe, "{input}");
    }
    let pipe = child.stdout.take();
    let (tell, told) = mpsc::sync_channel(1);
    // On a thread of its own: a program that hangs must not hang us, nor one that it left behind.
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        if let Some(pipe) = pipe {
            let _ = pipe.take(most_bytes).read_to_end(&mut bytes);
        }
        let _ = tell.send(bytes);
    });
    let until = Instant::now() + patience;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() >= until => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("no answer in time".into());
            }
            None => std::thread::sleep(POLL),
        }
    };
    let left = until.saturating_duration_since(Instant::now());
    let bytes = told
        .recv_timeout(left.max(POLL))
        .map_err(|_| "it ended, and something it started did not")?;
    // Who wrote more than anybody reads ends by a broken pipe.
    if !status.success() && bytes.len() as u64 != most_bytes {
        return Err(status.to_string());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, patience_ms: u64) -> std::result::Result<String, String> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        ask(
            &command,
            Some("question"),
            Duration::from_millis(patience_ms),
            64,
        )
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn a_program_gets_its_input_and_its_answer_is_read_up_to_a_bound() {
        assert_eq!(sh("cat", 30_000).unwrap(), "question\n");
        assert_eq!(sh("yes", 30_000).unwrap().len(), 64);
    }

    #[test]
    fn a_program_that_fails_hangs_or_leaves_one_behind_is_no_answer() {
        assert!(sh("echo x; exit 3", 30_000).unwrap_err().contains('3'));
        assert_eq!(sh("exec sleep 60", 200).unwrap_err(), "no answer in time");
        let begun = Instant::now();
        assert!(sh("sleep 60 & echo x", 300).is_err());
        assert!(begun.elapsed() < Duration::from_secs(30));
        let missing = ["/nonexistent/program".to_owned()];
        assert!(ask(&missing, None, Duration::from_secs(1), 9).is_err());
        assert!(ask(&[], None, Duration::from_secs(1), 9).is_err());
    }
}
