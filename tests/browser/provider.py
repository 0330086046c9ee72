"""A provider of sign-ins (OpenID Connect) on loopback, small and honest: it vouches for whomever the test names."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field

import uvicorn
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route


@dataclass
class Provider:
    """One on a port; `subject` and `name` are who signs in next, `age_s` how long ago it says that was."""

    port: int
    subject: str = "u1"
    name: str = "Ada"
    age_s: float = 0.0
    ended: list[str] = field(default_factory=list)  # the client ids that asked to end a sign-in here

    def __post_init__(self) -> None:
        self.key = jwk.RSAKey.generate_key(2048, parameters={"kid": "k1"})
        self.codes: dict[str, dict[str, str]] = {}
        config = uvicorn.Config(self.app(), host="127.0.0.1", port=self.port, log_level="warning")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    @property
    def issuer(self) -> str:
        """As it names itself."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def metadata(self) -> str:
        """Where a desk reads what the provider offers."""
        return f"{self.issuer}/.well-known/openid-configuration"

    def start(self) -> Provider:
        """Begin to listen."""
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """End it."""
        self.server.should_exit = True
        self.thread.join(timeout=10)

    def app(self) -> Starlette:
        """Its addresses."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.about),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/jwks", self.jwks),
                Route("/end", self.end),
            ]
        )

    async def about(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "end_session_endpoint": f"{self.issuer}/end",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def authorize(self, request: Request) -> Response:
        code, asked = secrets.token_hex(8), dict(request.query_params)
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}")

    async def token(self, request: Request) -> Response:
        asked = self.codes.pop(str((await request.form())["code"]))
        said_at = int(time.time() - self.age_s)
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": asked["client_id"],
            "iat": said_at,
            "exp": int(time.time()) + 600,
            "nonce": asked.get("nonce"),
            "name": self.name,
            "roles": ["admin"],  # a provider's word on roles counts for nothing here
        }
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": signed})

    async def jwks(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def end(self, request: Request) -> Response:
        self.ended.append(request.query_params["client_id"])
        return PlainTextResponse("signed out at the provider")
