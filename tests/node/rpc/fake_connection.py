"""The connection of a fake client."""


class FakeConnection:
    def __init__(self, default_path: str) -> None:
        self.default_path = default_path
        self.guest = None
        self.aborted = False

    def request_began(self) -> None:
        pass

    def answer_begins(self) -> None:
        pass

    async def end_answers(self) -> None:
        pass

    def request_ended(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True
