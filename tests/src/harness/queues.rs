//! The stack's queues in RabbitMQ.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use rollcall_schema::lane::Lane;
use rollcall_schema::rabbitmq::connection::{Broker, BrokerAddress};
use rollcall_schema::rabbitmq::topology::Topology;

use super::condition::eventually;
use super::stack::Stack;

impl Stack {
    /// A client of RabbitMQ with the stack's queues.
    pub fn broker(&self) -> Broker {
        let address = BrokerAddress::parse(&self.amqp_url, Topology::new(&self.queue_prefix))
            .expect("the servers' URL is good");
        Broker::new(address, "test")
    }

    /// The name of the dead-letter queue.
    pub fn dead_letters(&self) -> String {
        Topology::new(&self.queue_prefix).dead_letters()
    }

    /// The number of messages in the dead-letter queue.
    pub async fn dead_letter_count(&self) -> u32 {
        let channel = self.broker().channel().await.expect("RabbitMQ answers");
        let queue = self.dead_letters();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await;
        declared.expect("the queue exists").message_count()
    }

    /// Waits until no queue holds a message.
    pub async fn wait_until_queues_empty(&self) {
        let broker = self.broker();
        let topology = broker.topology();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        for queue in [topology.queue(Lane::Small), topology.queue(Lane::Bulk), topology.passwords()] {
            eventually(&format!("the queue {queue} is empty"), async || {
                let channel = broker.channel().await.ok()?;
                let declared = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default());
                (declared.await.ok()?.message_count() == 0).then_some(())
            })
            .await;
        }
    }
}
