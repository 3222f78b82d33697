"""The upload as a whole.

Every step may be repeated, and what a crash leaves are strays that nodes collect: only
the last step, publishing, makes a file.
"""

from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from xdb.errors import (
    OverloadedError,
    SendAgainError,
    SourceChangedError,
    UnavailableError,
    XdbError,
)
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.buffer import Buffer
from xdb.services.upload.journal import Journal
from xdb.services.upload.pipeline import Pipeline
from xdb.services.upload.preparation import Preparation
from xdb.services.upload.recording import Recording
from xdb.services.upload.request import Progress, Report, Stage, UploadRequest
from xdb.services.upload.sending import Sending
from xdb.services.upload.session import Session


@dataclass(slots=True)
class Uploader:
    """Uploads of one data owner."""

    index: Index
    journal: Journal
    preparation: Preparation
    sending: Sending
    recording: Recording
    open_uploads: int = 0

    async def upload(
        self, request: UploadRequest, data: AsyncIterable[Buffer], report: Report
    ) -> FileView:
        """Stores and publishes a file; returns at `request.wait`.

        Raises PlacementError, ConflictError (name taken), SourceChangedError (the upload has
        to begin anew under another id), SendAgainError (it goes on when the data comes again),
        InvalidRequestError, UnavailableError and what nodes and chain say.
        """
        with self._counted(), self.journal.claimed(request.upload):
            prepared = await self.preparation.prepare(request)
            if isinstance(prepared, FileView):
                report(Progress(Stage.PUBLISHED, prepared.record.size))
                return await self._settled(request, prepared, report)
            report(Progress(Stage.READY))
            view = await self._stored(prepared, data, report)
            now = self.index.head.time
            await self.journal.finish(request.upload, prepared.entry, prepared.file, now)
            report(Progress(Stage.PUBLISHED, prepared.received, prepared.progress()))
            return await self._settled(request, view, report)

    async def _stored(
        self, session: Session, data: AsyncIterable[Buffer], report: Report
    ) -> FileView:
        upload, sending = session.request.upload, self.sending
        pipeline = Pipeline(
            session,
            self.journal,
            self.recording.holders,
            sending.compute,
            self.index.parameters.leaf_size,
            report,
        )
        try:
            digest = await sending.send(session, pipeline, data)
            return await self.recording.record(session, digest, report)
        except SourceChangedError:
            await self.journal.abandon(upload)
            raise
        except XdbError as error:
            if session.journaled:
                await self.journal.put(upload, session.placed())
            if isinstance(error, SendAgainError):
                await self.journal.doubt(upload)
            raise

    async def _settled(self, request: UploadRequest, view: FileView, report: Report) -> FileView:
        """Waits for what the client waits for."""
        if request.wait is not Stage.FINAL:
            return view
        await self.index.settled(self.index.head.height)
        if self.index.file(view.record.file) is None:
            raise UnavailableError(
                f"file {view.record.file.hex()} was published, and the chain took it back: send "
                "the same upload again"
            )
        report(Progress(Stage.FINAL, view.record.size))
        return view

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self.open_uploads >= self.sending.config.uploads:
            raise OverloadedError(
                f"{self.open_uploads} uploads are under way already: try again in a while"
            )
        self.open_uploads += 1
        try:
            yield
        finally:
            self.open_uploads -= 1
