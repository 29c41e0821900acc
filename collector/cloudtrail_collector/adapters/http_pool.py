"""POSTs over kept-alive connections to one server, from many threads at once."""

import http.client
import time

from cloudtrail_collector.adapters.http_connection import Answer, Connection, Post, Route

# What an exchange may raise; TooLateError, where the deadline has passed, is an OSError.
FAILURES = (OSError, http.client.HTTPException)


class HttpPool:
    """As many connections as there were exchanges at once; those that are idle are used again, the newest first."""

    def __init__(self, route: Route) -> None:
        self._route = route
        # Threads may append to a list and pop from it without a lock.
        self._idle: list[Connection] = []
        self._is_closed = False

    def post(self, post: Post) -> Answer:
        """POST and return the answer. Raises one of FAILURES.

        The server may close an idle connection at the very moment that it is used again. So a failure on one is no answer:
        the request is sent once more, on a new connection. It may then have arrived twice.
        """
        connection = self._take_idle()
        if connection is not None:
            try:
                return self._exchange(connection, post)
            except FAILURES:
                if time.monotonic() >= post.deadline:
                    raise
        return self._exchange(Connection(self._route, post.deadline), post)

    def close(self) -> None:
        """Close what is idle now, and the others when their exchanges are over."""
        self._is_closed = True
        while (connection := self._pop_idle()) is not None:
            connection.close()

    def _take_idle(self) -> Connection | None:
        while (connection := self._pop_idle()) is not None:
            if connection.is_usable:
                break
            connection.close()
        return connection

    def _pop_idle(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _exchange(self, connection: Connection, post: Post) -> Answer:
        try:
            answer = connection.exchange(post)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if self._is_closed:
            self.close()
        return answer
