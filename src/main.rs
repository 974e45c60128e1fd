//! The program `genesys-stream`.
//!
//! In: arguments, environment, signals · Out: exit code · Thread: main.

fn main() -> std::process::ExitCode {
    genesys_stream::cli::main()
}
