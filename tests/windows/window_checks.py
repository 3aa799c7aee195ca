"""The console window of the resumed setup, on a virtual screen."""
import fake
from report import equal, expect, until
from stage import lines_of

PART = "window"


def tell(report, stage, display):
    def check(what):
        return report.check(PART, what)

    def shown(restart):
        return stage.ask(stage.screen, restart.process).out

    def close(restart):
        display.press("Return", lambda: not stage.prefix.processes(), f"an end of the window, which shows:\n{shown(restart)}")

    service, windows = stage.service, stage.windows
    with check("the setup resumes in its own console window, titled kind-wsl, and can ask there") as saw, stage.reset():
        awake, answers = [], []

        def talk(request, link):
            awake.append(link.read(20))
            link.out("Größe? ")
            answer = b""
            while not answer.endswith((b"\r", b"\n")):
                answer += link.read(20) or b"(nothing)\n"
            answers.append(answer.decode().strip())
            return 0
        windows.reply = talk
        restart = stage.restart().ready()
        call = service.wait_for(lambda call: "--resume" in call.args)
        display.window("kind-wsl")
        display.press("space", lambda: awake, "a key that arrives")
        until(lambda: "Größe?" in shown(restart), "the question in the window")
        display.type("abc\r")
        until(lambda: restart.result()["state"] == "ended", "an end of the setup")
        equal(answers, ["abc"])
        expect(call.terminal and call.terminal[0] >= 24 and call.terminal[1] >= 80, f"no terminal: {call.terminal}")
        until(lambda: "Press Enter" in shown(restart), "the last line of the window")
        lines_of(shown(restart), "kind-wsl: the setup of Debian resumes.", "Größe?", "Press Enter to close this window")
        saw(f"{call.terminal[0]} rows, {call.terminal[1]} columns")
    with check("the window stays until Enter is pressed"):
        expect(stage.prefix.processes(), "it is gone already")
        equal(restart.result()["exit"], "0")
        close(restart)
    with check("if WSL cannot be stopped, the window shows the cause and the commands to run") as saw, stage.reset():
        service.faults.hang = {"--shutdown"}
        restart = stage.restart(scope="vm", patience=1).ready()
        display.window("kind-wsl")
        until(lambda: "Press Enter" in shown(restart), "the last line of the window")
        text = shown(restart)
        saw(text.splitlines()[0])
        lines_of(text, "WSL could not be stopped (wsl.exe --shutdown did not end within 1 s).",
                 "To continue by hand", "    wsl.exe --shutdown", f"    wsl.exe -d Debian --cd ~ --exec {fake.PROGRAM} setup")
        close(restart)
    with check("after a failed setup the window shows the exit code and the commands to run"), stage.reset():
        windows.codes = [42]
        restart = stage.restart().ready()
        display.window("kind-wsl")
        until(lambda: "Press Enter" in shown(restart), "the last line of the window")
        equal(restart.result()["exit"], "42")
        lines_of(shown(restart), "The setup ended with exit code 42. Its output is above.", "    wsl.exe --terminate Debian")
        close(restart)
    with check("if the distribution no longer starts, the window shows the rescue command"), stage.reset():
        windows.broken, windows.up, windows.safe_mode = {"Debian"}, set(), None
        restart = stage.restart(scope="vm").ready()
        display.window("kind-wsl")
        until(lambda: "Press Enter" in shown(restart), "the last line of the window")
        equal(restart.result()["exit"], "-1")
        lines_of(shown(restart), "If Debian no longer starts", '"C:\\Program Files\\kind-wsl\\kind-wsl.exe" rescue -d Debian')
        close(restart)
    with check("nothing of it is left running"):
        stage.quiet()
