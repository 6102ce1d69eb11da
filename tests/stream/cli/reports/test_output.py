"""The commands that are printed after a command are those to copy: with the settings that they read, and no others."""

from pathlib import Path

from stream.cli.reports.output import NextCommands

OVERRIDES = ("detector=pumps", "registry=r", "frames.score_when=running==1", "train.max_epochs=5")


def test_a_command_about_versions_gets_only_the_settings_that_name_them() -> None:
    following = NextCommands(Path("n.yaml"), OVERRIDES)
    assert following.line("models", "show", "v1") == (
        "narrows models show v1 -c n.yaml --set detector=pumps --set registry=r"
    )


def test_other_commands_get_what_does_not_act_in_training_only() -> None:
    assert NextCommands(None, OVERRIDES).line("run") == (
        "narrows run --set detector=pumps --set registry=r --set frames.score_when=running==1"
    )
