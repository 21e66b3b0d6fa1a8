//! `countersign healthcheck`: for containers and monitors that have nothing but this program.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::args::HealthcheckArgs;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(args: HealthcheckArgs) -> Result<(), Failure> {
    let address = args.admin_listen;
    let check = async {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| Failure::new(format!("no gateway answers at {address}"), &error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        let ask = async {
            let request = Request::get("/readyz")
                .header(header::HOST, address.to_string())
                .body(Empty::<bytes::Bytes>::new())
                .map_err(|error| Failure::new("the request is not possible", &error))?;
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| failed(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), BODY_OCTETS)
                .collect()
                .await
                .map_err(|error| Failure::plain(format!("the answer cannot be read: {error}")))?;
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            if status.is_success() {
                output::line(format_args!("ready"));
                Ok(())
            } else {
                Err(Failure::plain(format!("not ready: {text}")))
            }
        };
        tokio::select! {
            done = ask => done,
            ended = connection => Err(match ended {
                Err(error) => failed(&error),
                Ok(()) => Failure::plain("the gateway closed the connection"),
            }),
        }
    };
    tokio::time::timeout(LIMIT, check)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::plain(format!(
                "no answer from {address} within {LIMIT:?}"
            )))
        })
}

fn failed(error: &hyper::Error) -> Failure {
    Failure::new("the gateway could not be asked", error)
}

const LIMIT: Duration = Duration::from_secs(5);
const BODY_OCTETS: usize = 64 * 1024;
