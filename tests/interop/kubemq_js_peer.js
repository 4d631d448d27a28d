// The npm client kubemq-js against a broker: `node kubemq_js_peer.js HOST:PORT SCENARIO CHANNEL`.
// Prints what it saw as one line of JSON. NODE_PATH says where the client is.
const k = require('kubemq-js');

const [, , address, scenario, channel] = process.argv;
const options = { address, clientId: 'js' };
const bytes = (text) => Buffer.from(text);
const text = (body) => Buffer.from(body).toString();
const within = (milliseconds, what) =>
  new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing after ${milliseconds} ms: ${what}`)), milliseconds));

// Sends until an answer comes: the client does not say when its subscription is live.
async function until(came, send) {
  let over = false;
  const sending = (async () => {
    while (!over) {
      await send();
      await new Promise((r) => setTimeout(r, 100));
    }
  })();
  try {
    return await Promise.race([came, within(8000, scenario)]);
  } finally {
    over = true;
    await sending.catch(() => {});
  }
}

const scenarios = {
  async queues() {
    const queues = new k.QueuesClient(options);
    const sent = await queues.send({ channel, body: bytes('one') });
    const batch = await queues.batch([2, 3].map((n) => ({ channel, body: bytes(`${n}`) })));
    const request = { channel, maxNumberOfMessages: 3, waitTimeoutSeconds: 1 };
    const peeked = await queues.peek(request);
    const first = await queues.pull({ ...request, maxNumberOfMessages: 1 });
    const rest = await queues.ackAll({ channel, waitTimeoutSeconds: 1 });
    return {
      errors: [sent, ...batch].map((r) => r.isError),
      peeked: peeked.messages.map((m) => text(m.body)),
      pulled: first.messages.map((m) => text(m.body)),
      acked: rest.affectedMessages,
    };
  },

  async transaction() {
    const queues = new k.QueuesClient(options);
    await queues.send({ channel, body: bytes('held'), policy: { maxReceiveCount: 2, maxReceiveQueue: `${channel}.dead` } });
    const seen = [];
    for (const decide of [(m) => m.reject(), (m) => m.resendToChannel(`${channel}.next`)]) {
      await queues.transaction({ channel, visibilitySeconds: 10, waitTimeoutSeconds: 2 }, (error, held) => {
        if (error) seen.push(error.message);
        if (held) {
          seen.push([text(held.message.body), held.message.attributes.receiveCount]);
          decide(held).catch(() => {});
        }
      });
    }
    const next = await queues.pull({ channel: `${channel}.next`, maxNumberOfMessages: 1, waitTimeoutSeconds: 1 });
    return { seen, next: next.messages.map((m) => text(m.body)) };
  },

  async events() {
    const events = new k.EventsClient(options);
    const came = new Promise((resolve, reject) => {
      events.subscribe({ channel }, (error, m) => (error ? reject(error) : resolve(text(m.body))));
    });
    return { body: await until(came, () => events.send({ channel, body: bytes('now') })) };
  },

  async store() {
    const store = new k.EventsStoreClient(options);
    for (const body of ['a', 'b']) await store.send({ channel, body: bytes(body) });
    const seen = [];
    const came = new Promise((resolve, reject) => {
      store.subscribe({ channel, requestType: 2 }, (error, m) => {
        if (error) return reject(error);
        seen.push([m.sequence, text(m.body)]);
        if (seen.length === 2) resolve();
      });
    });
    await Promise.race([came, within(8000, scenario)]);
    return { seen };
  },

  async command() {
    const commands = new k.CommandsClient(options);
    commands.subscribe({ channel }, (error, m) => {
      if (error) return;
      const executed = text(m.body) === 'on';
      commands.response({ id: m.id, replyChannel: m.replyChannel, clientId: 'js', timestamp: Date.now(), executed, error: executed ? '' : 'no' });
    });
    await new Promise((r) => setTimeout(r, 300));
    const answers = [];
    for (const body of ['on', 'off']) answers.push(await commands.send({ channel, body: bytes(body), timeout: 5000 }));
    return { answers: answers.map((a) => [a.executed, a.error]) };
  },

  async query() {
    const queries = new k.QueriesClient(options);
    queries.subscribe({ channel }, (error, m) => {
      if (error) return;
      queries.response({
        id: m.id, replyChannel: m.replyChannel, clientId: 'js', timestamp: Date.now(), executed: true, error: '',
        body: bytes(text(m.body).toUpperCase()), metadata: 'm',
      });
    });
    await new Promise((r) => setTimeout(r, 300));
    const answer = await queries.send({ channel, body: bytes('ask'), timeout: 5000 });
    return { executed: answer.executed, body: text(answer.body), metadata: answer.metadata };
  },

  async wrong_token() {
    const queues = new k.QueuesClient({ ...options, authToken: 'wrong' });
    try {
      await queues.send({ channel, body: bytes('x') });
    } catch (error) {
      return { code: error.code, details: error.details };
    }
    return { code: 0 };
  },
};

scenarios[scenario]().then(
  (found) => { console.log(JSON.stringify(found)); process.exit(0); },
  (error) => { console.error(error); process.exit(1); },
);
