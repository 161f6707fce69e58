//! A proxied connection to a server that can be cut: everything sent on it is lost, without an error.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Its address and state. Connections that were open when it was cut stay dead forever, like those that a firewall has
/// forgotten.
pub(crate) struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy)]
struct State {
    is_whole: bool,
    cuts: u32,
}

impl Wire {
    /// Starts it intact.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (state, states) = watch::channel(State {
            is_whole: true,
            cuts: 0,
        });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, states.clone()));
            }
        });
        Self { address, state }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts it: nothing is forwarded, although connections stay open and are accepted.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| {
            state.is_whole = false;
            state.cuts += 1;
        });
    }

    /// Forwards new connections again.
    pub(crate) fn repair(&self) {
        self.state.send_modify(|state| state.is_whole = true);
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut states: watch::Receiver<State>) {
    let State { is_whole, cuts } = *states.borrow();
    if is_whole {
        let mut server = TcpStream::connect(server)
            .await
            .expect("the server listens");
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = states.wait_for(|state| state.cuts != cuts) => {}
        }
        // The server's side stays open as well.
        swallow(client).await;
        let _ = server.shutdown().await;
    } else {
        swallow(client).await;
    }
}

/// Reads until the client gives up.
async fn swallow(mut client: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(1..) = client.read(&mut bytes).await {}
}
