# An SMTP server that keeps nothing: says where it listens, then each e-mail as a line of JSON.
# Arguments: certificate, key, "tls" or "starttls". It wants alice's password, which is "pw-mail".
import asyncio, email, email.policy, json, logging, ssl, sys
import warnings
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

# Of authentication without STARTTLS: TLS is below it then. Clients that refuse the certificate are the tests' own:
# what they did is not to stand among the tests' failures.
warnings.simplefilter("ignore")
logging.disable(logging.ERROR)
later = {"left": 1}


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such person"
        if address.startswith("later@") and later["left"]:
            later["left"] -= 1
            return "450 4.2.0 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "hello": session.host_name,
            "tls": session.ssl is not None or sys.argv[3] == "tls",
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": message.get_content(),
        }), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"alice", b"pw-mail")
    return AuthResult(success=good, handled=False)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    starttls = sys.argv[3] == "starttls"

    def factory():
        return SMTP(Handler(), hostname="localhost", authenticator=authenticate, auth_required=True,
                    auth_require_tls=starttls, require_starttls=starttls,
                    tls_context=context if starttls else None)

    server = await asyncio.get_running_loop().create_server(
        factory, "127.0.0.1", 0, ssl=None if starttls else context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
