"""The command line. Each command lives in a module of its own that is imported only when it is used."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import IO, Any, NoReturn, TypeGuard

import click
from click.shell_completion import CompletionItem

from ferbench import display, startup
from ferbench.cli.mistakes import mistake_of, shortened
from ferbench.cli.streams import note_lost, prepare_streams
from ferbench.errors import UserError
from ferbench.plugin.guard import PATIENCE, checked_exits, end_within, name_unended, unended
from ferbench.version import __version__

#: Where each command lives, and its line in ``ferbench --help``, which imports none of them.
COMMANDS: dict[str, tuple[str, str]] = {
    "plan": ("ferbench.cli.plan:plan", "Register what will be compared before the test set is read."),
    "run": ("ferbench.cli.run:run", "Train and evaluate combinations of dataset, model, loss and sampler."),
    "resume": ("ferbench.cli.resume:resume", "Go on with runs that were stopped."),
    "tune": ("ferbench.cli.tune:tune", "Search a recipe's settings on validation, then test the best."),
    "evaluate": ("ferbench.cli.evaluate:evaluate", "Test a finished run on other data, without training."),
    "lineage": ("ferbench.cli.lineage:lineage", "Show what a run continues, and what continues it."),
    "ensemble": ("ferbench.cli.ensemble:ensemble", "Average the predictions of finished runs."),
    "import": ("ferbench.cli.import_:import_", "Take in predictions that other software made."),
    "export": ("ferbench.cli.export:export", "Write what a run predicts for each sample: CSV or Parquet."),
    "predict": ("ferbench.cli.predict:predict", "Classify images with a trained model."),
    "timeline": ("ferbench.cli.timeline:timeline", "Follow expressions over a video or a folder of frames."),
    "report": ("ferbench.cli.report:report", "Make a report of runs: one self-contained HTML page."),
    "leaderboard": ("ferbench.cli.leaderboard:leaderboard", "Show finished runs side by side."),
    "audit": ("ferbench.cli.audit:audit", "Check datasets, and whether published numbers are possible together."),
    "compare": ("ferbench.cli.compare:compare", "Say whether one run or configuration is better than another."),
    "runs": ("ferbench.cli.runs:runs", "List, show, remove, trim and check the records of runs."),
    "cache": ("ferbench.cli.cache:cache_", "List and remove packed datasets."),
    "doctor": ("ferbench.cli.doctor:doctor", "Check environment, cache and results, and say what to do."),
    "plugins": ("ferbench.cli.plugins:plugins", "List the plugins, show what they offer, check and start them."),
    "completion": ("ferbench.cli.completion:completion", "Print the completion script for a shell."),
}

#: How often a thread of GNU OpenMP looks whether the others are done before it sleeps, read when torch is imported. It
#: is about a millisecond. The default, 300,000, is some 10 ms, which a thread without a core loses to one that spins:
#: `benchmarks/speed/waiting.py`.
SPINS = "20000"

#: A file or pipe takes no more: a disk that is full or fails, a quota, a limit on the size of files.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _exit_code(interrupt: BaseException | None) -> int:
    """128 and the number of the signal, as shells have it; what is no signal of another kind is Ctrl-C."""
    return 128 + getattr(interrupt, "signal", 2)


class ShownUserError(click.ClickException):
    """A `UserError` as click ends with it: two plain lines on stderr, exit code 2."""

    exit_code = 2

    def __init__(self, error: UserError) -> None:
        super().__init__(error.message)
        self.remedy = error.remedy

    def show(self, file: IO[Any] | None = None) -> None:
        from ferbench.wording import one_line

        click.echo(f"error: {shortened(one_line(self.message))}", file=file, err=file is None)
        click.echo(f"  → {shortened(one_line(self.remedy))}", file=file, err=file is None)


def as_user_error(error: click.UsageError) -> UserError:
    """What click says of a command line, as everything else is said: what is wrong, and what to do."""
    message = " ".join(error.format_message().split())
    wrong, _, hint = message.partition("Did you mean ")
    wrong, hint = wrong.rstrip(" (").removesuffix("."), hint.removesuffix(")")
    remedy = f"'{error.ctx.command_path} --help' says what there is" if error.ctx else "--help says what there is"
    return UserError(wrong[:1].lower() + wrong[1:], f"did you mean {hint} {remedy}" if hint else remedy)


def is_mistake(error: click.ClickException) -> TypeGuard[click.UsageError]:
    """Whether a command line is wrong, and not only so short that its help is shown."""
    return isinstance(error, click.UsageError) and not isinstance(error, click.exceptions.NoArgsIsHelpError)


def joined_datasets(args: Sequence[str]) -> list[str]:
    """The arguments with ``--dataset a + b``, as people write it, as the one value ``a+b``."""
    joined: list[str] = []
    rest = list(args)
    while rest:
        joined.append(rest.pop(0))
        if joined[-1] == "--dataset" and rest:
            joined.append(rest.pop(0))
        elif not joined[-1].startswith("--dataset="):
            continue
        while rest and not rest[0].startswith("-") and (joined[-1].endswith("+") or rest[0].startswith("+")):
            joined[-1] += rest.pop(0)
    return joined


class LazyGroup(click.Group):
    """A group that knows its commands' names and help lines, and imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            from ferbench.cli.plugin_commands import find

            command = find(cmd_name)
            display.give_descriptor_back()  # what a command's code in C and its processes print may be its results
            return command
        module_name, _, attribute = COMMANDS[cmd_name][0].partition(":")
        try:
            module = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name != module_name:
                raise
            remedy = "install a complete ferbench"
            raise UserError(f"this installation lacks the command '{cmd_name}'", remedy) from None
        return getattr(module, attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from ferbench.cli.plugin_commands import offered
            from ferbench.plugin.ours import to_install
            from ferbench.wording import did_you_mean, one_line

            if (install := to_install("command", args[0])) is not None:
                raise UserError(f"the command '{args[0]}' is not installed", install)
            names = [*COMMANDS, *offered()]
            hint = did_you_mean(args[0], names).strip() or f"commands: {', '.join(names)}"
            ctx.fail(f"no such command '{one_line(args[0])}'; {hint}")
        return super().resolve_command(ctx, joined_datasets(args))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])
        from ferbench.cli.plugin_commands import offered

        added = offered()
        if added:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(list(added.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from ferbench.cli.plugin_commands import offered

        lines = {**{name: line for name, (_, line) in COMMANDS.items()}, **offered()}
        names = [CompletionItem(name, help=line) for name, line in lines.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise ShownUserError(error) from error
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            mistake = mistake_of(error)
            if mistake is None:
                raise
            raise ShownUserError(mistake) from error
        except click.UsageError as error:
            if not is_mistake(error):
                raise
            raise ShownUserError(as_user_error(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ferbench")
def cli() -> None:
    """Find out which combination of dataset, model, loss and sampler really is better at recognising facial
    expressions, and by how much."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's mistake, 130 interrupted."""
    startup.begin()
    # pydantic would look for plugins of its own, and fail where any distribution has a malformed entry_points.txt.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    prepare_streams()
    if not {"-q", "--quiet"} & set(sys.argv if args is None else args):
        startup.announce()
    try:
        with checked_exits():
            code = cli.main(args=args, prog_name="ferbench", standalone_mode=False)
        note_lost()
        sys.stdout.flush()  # here a reader that has gone away can still be dealt with
        if (lost := display.lost_results()) is not None:
            raise lost
    except click.ClickException as error:
        if is_mistake(error):  # in front of a command
            ShownUserError(as_user_error(error)).show()
        else:
            error.show()
        code = error.exit_code
    except click.Abort as error:  # click's form of an interrupt, or of the end of input at a prompt
        code = 1 if isinstance(error.__cause__, EOFError) else _exit_code(error.__cause__)
    except KeyboardInterrupt as error:
        code = _exit_code(error)
    except BrokenPipeError:
        code = _leave_pipe()
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        ShownUserError(UserError(f"cannot write: {error.strerror}", "free some space, or write elsewhere")).show()
        _leave_pipe()
        code = ShownUserError.exit_code
    except BaseException as error:
        from ferbench.plugin.culprit import blame

        fault = blame(error)
        raise fault.with_traceback(_below_the_command_line(error.__traceback__)) from error.__cause__
    code = code if isinstance(code, int) else 0
    if getattr(sys.modules.get("ferbench.training.trackers"), "stuck", []):
        end_within(PATIENCE, code)
    if unended():
        name_unended(PATIENCE / 5, PATIENCE * 4 / 5)
        end_within(PATIENCE, code)
    sys.exit(code)


def _below_the_command_line(trace: TracebackType | None) -> TracebackType | None:
    """A stack trace without the frames that every command has, unless there are no others."""
    place = trace
    while place is not None and place.tb_frame.f_globals.get("__name__", "").startswith(("click.", "ferbench.cli")):
        place = place.tb_next
    return place or trace


def _leave_pipe() -> int:
    """Point stdout at nothing, so that the interpreter does not complain when it flushes on its way out."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    return 1
