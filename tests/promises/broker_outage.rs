//! Imports are accepted and run exactly once while RabbitMQ is down, restarts, is killed, loses its queues or times out a
//! consumer (invariants 1, 2 and 4).

use futures_util::StreamExt as _;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use rollcall_schema::lane::Lane;
use rollcall_tests::harness::{Answer, DedicatedServer, Options, Stack, eventually};
use rollcall_tests::rosters::mixed::mixed;
use rollcall_tests::tables::assert_matches_oracle;

#[tokio::test]
async fn uploads_are_accepted_during_an_outage() {
    let rabbitmq = DedicatedServer::rabbitmq().await;
    let stack = Options::fast_recovery().rabbitmq(&rabbitmq).start().await;
    let files = [mixed(24, "waited for", 0), mixed(24, "asked for", 0), mixed(24, "afterwards", 0)];
    let school = stack.school().clone();
    rabbitmq.stop().await;
    let waiting = tokio::spawn(stack.upload("/api/import/users", &files[0]).send());
    eventually("it is queued", async || (stack.imports_in_order(&school).await.len() == 1).then_some(()))
        .await;
    let location = stack.submit(&school, &files[1]).await;
    assert_eq!(stack.get(&location).await.status, 202);

    rabbitmq.restart().await;
    let answer = Answer::read(waiting.await.unwrap().unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    stack.submit(&school, &files[2]).await;
    assert_matches_oracle(&stack, &school, &files).await;
    for position in 1..=3 {
        assert_eq!(stack.attempts(&school, position).await, 1);
    }
    stack.assert_nothing_left_over().await;
}

#[tokio::test]
async fn running_import_finishes_without_rabbitmq() {
    let rabbitmq = DedicatedServer::rabbitmq().await;
    let stack = Options::fast_recovery().rabbitmq(&rabbitmq).start().await;
    let school = stack.school().clone();
    let mut files = Vec::new();
    for killed in [false, true] {
        let lock = stack.lock_users().await;
        files.push(mixed(24, &format!("running, killed: {killed}"), 0));
        let location = stack.submit(&school, files.last().unwrap()).await;
        stack.wait_for_blocked_chunk().await;
        if killed {
            rabbitmq.kill().await;
        } else {
            rabbitmq.stop().await;
        }
        // Neither finishing an import nor accepting the next one needs RabbitMQ.
        drop(lock);
        assert_eq!(stack.wait_for_result(&location).await.status, 200);
        files.push(mixed(24, &format!("down, killed: {killed}"), 0));
        stack.submit(&school, files.last().unwrap()).await;
        rabbitmq.restart().await;
        assert_matches_oracle(&stack, &school, &files).await;
    }
    for position in 1..=files.len() {
        assert_eq!(stack.attempts(&school, position).await, 1);
    }
    stack.assert_nothing_left_over().await;
}

#[tokio::test]
async fn deleted_queues_lose_no_import() {
    let mut stack = Options::fast_recovery().workers(0).start().await;
    let files = [mixed(24, "queued", 0), mixed(24, "under its consumers", 0)];
    let school = stack.school().clone();
    stack.submit(&school, &files[0]).await;
    delete_queues(&stack).await;
    stack.start_worker();
    assert_matches_oracle(&stack, &school, &files[..1]).await;
    delete_queues(&stack).await;
    stack.submit(&school, &files[1]).await;
    assert_matches_oracle(&stack, &school, &files).await;
    stack.assert_nothing_left_over().await;
}

async fn delete_queues(stack: &Stack) {
    let broker = stack.broker();
    let channel = broker.channel().await.unwrap();
    let topology = broker.topology();
    for queue in [topology.queue(Lane::Small), topology.queue(Lane::Bulk), topology.passwords()] {
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    }
}

/// An import that takes several times as long as the consumer timeout runs once.
#[tokio::test]
async fn import_outlives_the_consumer_timeout() {
    let rabbitmq = DedicatedServer::rabbitmq_with_consumer_timeout(1).await;
    let stack = Options::fast_recovery().rabbitmq(&rabbitmq).start().await;
    let file = mixed(24, "long", 0);
    let school = stack.school().clone();
    let lock = stack.lock_users().await;
    stack.submit(&school, &file).await;
    stack.wait_for_blocked_chunk().await;
    for _ in 0..3 {
        wait_for_consumer_timeout(&stack).await;
    }
    drop(lock);
    assert_matches_oracle(&stack, &school, &[file]).await;
    assert_eq!(stack.attempts(&school, 1).await, 1);
    stack.assert_nothing_left_over().await;
}

/// Consumes a message without acknowledging it and waits until RabbitMQ closes the channel.
async fn wait_for_consumer_timeout(stack: &Stack) {
    let channel = stack.broker().channel().await.unwrap();
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), exclusive, FieldTable::default()).await.unwrap();
    let name = queue.name().as_str();
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.basic_publish("".into(), name.into(), options, b"", properties).await.unwrap().await.unwrap();
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(name.into(), "slow".into(), options, arguments).await.unwrap();
    consumer.next().await.unwrap().expect("the message arrives");
    let closing = tokio::time::timeout(std::time::Duration::from_mins(1), consumer.next());
    let next = closing.await.expect("the consumer timeout expires");
    assert!(next.is_none_or(|delivery| delivery.is_err()), "the channel is closed");
}
