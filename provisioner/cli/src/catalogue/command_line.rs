//! Codes of the command line and of the machine that the program runs on.

use super::{Entry, entry};

#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry("no-environment", "there is no such environment",
        "An environment is a directory with `*.hcl` files, or the name of one under `environments/` at or above the working directory."),
    entry("no-home", "your home directory is not known",
        "Keys and caches are kept below it. Set `HOME`, or the `XDG_*` variable that is named."),
    entry("no-randomness", "there are no random numbers",
        "The system gives none, and what `uuid` and its like give must not be guessed."),
    entry("nobody-to-ask", "there is nobody to ask",
        "The command asks before it changes anything, but its input is no terminal. `--auto-approve` answers yes beforehand."),
    entry("not-a-json-string", "a line is no JSON string",
        "`console --json-lines` reads one expression a line, each as a JSON string, so that it may hold line breaks. The answer to such a line is this \
         error; the next line is read all the same.")
        .example("upper(\"a\")", "\"upper(\\\"a\\\")\""),
    entry("not-a-target", "this is no target",
        "A target is the address of an instance, a resource, a module, a node set, a node, or a service on all nodes.")
        .example("--target terraform_data", "--target terraform_data.a"),
    entry("not-an-address", "this is no address",
        "An address is `TYPE.NAME`, with `[0]` or `[\"key\"]` behind it where there are several, and with `module.NAME.` before it inside of modules. Quote it for the \
         shell."),
    entry("plan-is-complete", "a saved plan takes no further wishes",
        "A saved plan runs exactly as it was reviewed: variables and targets belong to the `plan` that makes it."),
    entry("run-under-way", "a run is under way, or was cut off",
        "The plan is made from what is recorded at this moment, which may be the middle of that run."),
    entry("runtime", "the program could not start",
        "The system refused what every program needs, for instance threads."),
    entry("signals", "interrupts cannot be watched for",
        "The system refused it. The run would not end cleanly at Ctrl-C, so it does not begin."),
    entry("terminal", "the terminal cannot be used",
        "`console` needs a terminal that can be controlled. Without one, give expressions with `--eval`, or one a line on standard input."),
    entry("unknown-code", "there is no such diagnostic code",
        "`provisioner explain` lists all codes. A code stands at the beginning of every error, and as `code` in JSON."),
    entry("unknown-output", "an output is not known",
        "An operation that it comes from has not run, or failed. The next apply that succeeds records it."),
    entry("unreadable", "a file cannot be read",
        "The message is what the file system said."),
    entry("unwritable", "a file cannot be written",
        "The message is what the file system said."),
    entry("usage", "the command line is not understood",
        "A command, option or value is not one that there is, or one is missing. The program ends with 2, and has looked at nothing. `--help` behind a \
         command tells all that it takes.")
        .example("provisioner plan staging --dryrun", "provisioner plan staging"),
];
