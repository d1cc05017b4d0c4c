"""The servers ours is measured against, each as its own process.

`python -m tests.bench.yardsticks NAME PORT STORE` runs one:

- `empty`: one SET VARIABLE, no look-up: what any FastAGI server must cost.
- `streams`: bare asyncio streams and six look-ups in one pipelined round trip: the usual fast way.
- `streams-uvloop`: the same on uvloop, on which ours and the others run.
- `panoramisk`: panoramisk's own FastAGI server with the same look-ups.
- `no-rules`: our server and our store's one round trip, the attempt reserved, and nothing judged or written down:
  what is left of ours is what rules and evidence cost.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys

import redis.asyncio
import uvloop
from panoramisk import fast_agi

from asterisk_plugin.agi.server import AgiServer
from asterisk_plugin.callflow.records import new_secret_id
from asterisk_plugin.core.person import person_tag
from asterisk_plugin.ports import CallTerms, Channel, LookUp
from asterisk_plugin.settings.service import AgiSettings
from asterisk_plugin.store.redis_store import RedisStore

KEYS = ("objections", "everyone", "consents", "relationships", "attempts", "campaign")
ANSWER = b'SET VARIABLE RINGFENCE_NUMBER "%s"\nSET VARIABLE RINGFENCE_DECISION "ALLOW"\n'


async def look_up(client: redis.asyncio.Redis, number: str) -> list[object]:
    """Six checks of one number in one round trip."""
    pipe = client.pipeline(transaction=False)
    for key in KEYS:
        pipe.hget(f"bench:{key}", number)
    return await pipe.execute()


async def _header(reader: asyncio.StreamReader) -> dict[str, str]:
    values = {}
    while (line := await reader.readline()) not in (b"\n", b""):
        name, _, value = line.decode().partition(":")
        values[name] = value.strip()
    return values


async def _serve(server: asyncio.Server) -> None:
    """Say that it listens (a probe by connecting would freeze panoramisk's server), then serve."""
    print("ready", flush=True)
    await server.serve_forever()


async def serve_empty(port: int, _: str) -> None:
    """Read the header, set one variable, close."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _header(reader)
        writer.write(b'SET VARIABLE RINGFENCE_DECISION "ALLOW"\n')
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(session, "127.0.0.1", port, backlog=4096)
    await _serve(server)


async def serve_streams(port: int, store: str) -> None:
    """Read the header, one pipelined round trip, two variables, close."""
    client = _client(store)

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        values = await _header(reader)
        await look_up(client, values["agi_arg_1"])
        for line in (ANSWER % values["agi_arg_1"].encode()).splitlines(keepends=True):
            writer.write(line)
            await reader.readline()
        writer.close()

    server = await asyncio.start_server(session, "127.0.0.1", port, backlog=4096)
    await _serve(server)


async def serve_panoramisk(port: int, store: str) -> None:
    """The same look-ups in panoramisk's FastAGI server."""
    client = _client(store)

    async def script(request: fast_agi.Request) -> None:
        number = request.headers["agi_arg_1"]
        await look_up(client, number)
        await request.send_command(f'SET VARIABLE RINGFENCE_NUMBER "{number}"')
        await request.send_command('SET VARIABLE RINGFENCE_DECISION "ALLOW"')

    application = fast_agi.Application()
    application.add_route("attempt", script)
    server = await asyncio.start_server(application.handler, "127.0.0.1", port, backlog=4096)
    await _serve(server)


async def serve_without_rules(port: int, store: str) -> None:
    """Our FastAGI server and our look-up, without decision and evidence."""
    records = RedisStore(store, timeout_s=1, keep_attempts_s=86_400)

    async def script(channel: Channel) -> None:
        number, token = channel.request.arguments[0], new_secret_id()
        query = LookUp(
            person=person_tag(b"bench", number),
            principal="bench",
            campaign="bench-nl",
            limits=(),
            reserve=True,
            attempt_id=token,
            token=token,
            shown="+31201234567",
            token_lifetime_s=10,
            now=dt.datetime.now(dt.UTC),
            terms=CallTerms(),
        )
        await records.look_up(query)
        variables = {"RINGFENCE_NUMBER": number, "RINGFENCE_TOKEN": token, "RINGFENCE_DECISION": "ALLOW"}
        await channel.set_variables(variables, last=True)

    server = AgiServer({"attempt": script}, AgiSettings(port=port), on_event=lambda _: None)
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def _client(store: str) -> redis.asyncio.Redis:
    pool = redis.asyncio.BlockingConnectionPool.from_url(store, max_connections=16)
    return redis.asyncio.Redis(connection_pool=pool)


SERVERS = {
    "empty": serve_empty,
    "streams": serve_streams,
    "streams-uvloop": serve_streams,
    "panoramisk": serve_panoramisk,
    "no-rules": serve_without_rules,
}

if __name__ == "__main__":
    name, port, store = sys.argv[1:]
    with asyncio.Runner(loop_factory=None if name == "streams" else uvloop.new_event_loop) as runner:
        runner.run(SERVERS[name](int(port), store))
