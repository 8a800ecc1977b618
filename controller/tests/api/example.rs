//! The documented configuration is the one that the program prints.

use tests_kit::Program;

#[test]
fn the_example_has_every_key_with_its_default() {
    let program = Program::new(env!("CARGO_BIN_EXE_controller"));
    let printed = program.run(&["--print-example"]).stdout;
    let kept = include_str!("../../controller.example.yml");
    assert_eq!(String::from_utf8(printed).unwrap(), kept);
}

#[test]
fn a_configuration_without_a_key_for_secrets_is_refused() {
    let program = Program::new(env!("CARGO_BIN_EXE_controller"));
    let file = program
        .directory()
        .file("c.yml", "tokens:\n  access: 60s\n");
    let checked = program.run(&["-c", &file.display().to_string(), "--check"]);
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(!checked.status.success());
    assert!(
        said.contains("encryption_keys: there must be at least one"),
        "{said}"
    );
    assert!(
        said.contains("an access token must be good for more than 60s"),
        "{said}"
    );
}
