"""What a client did wrong, by what the server does about it (protocol §6)."""


class ProtocolFaultError(Exception):
    """Answered by `protocol_error [text]`, after which the server closes."""


def unknown_session(method: str, session: object, rest: object) -> ProtocolFaultError:
    """A call on a session that does not exist, in the server's Erlang-like words."""
    return ProtocolFaultError(f'{{unknown_session_id,<<"{method}">>,<<"{session}">>,{rest}}}')
