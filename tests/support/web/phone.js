// A phone that a test drives: it is told what to do through `phone`, and says what happens through `tell`.
'use strict';

const say = (event, more = {}) => window.tell(JSON.stringify({ event, ...more }));

class Ear {
  // What is heard of one remote stream: how much of its power lies at a frequency.
  constructor(stream) {
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 4096;
    this.context.createMediaStreamSource(stream).connect(this.analyser);
    this.samples = new Float32Array(this.analyser.fftSize);
  }

  async listen() {
    await this.context.resume();
    this.analyser.getFloatTimeDomainData(this.samples);
  }

  power() {
    return this.samples.reduce((sum, one) => sum + one * one, 0) / this.samples.length;
  }

  // Goertzel's filter: the share of the power that is a tone of this frequency, 0 to 1.
  share(hertz) {
    const factor = 2 * Math.cos((2 * Math.PI * hertz) / this.context.sampleRate);
    let [one, two] = [0, 0];
    for (const sample of this.samples) [one, two] = [sample + factor * one - two, one];
    const found = (2 * (one * one + two * two - factor * one * two)) / this.samples.length ** 2;
    return found / (this.power() + 1e-12);
  }

  close() {
    return this.context.close();
  }
}

class Socket extends JsSIP.WebSocketInterface {
  // Tells the first line and the CSeq of each message that goes or comes.
  send(message) {
    tellMessage('sent', message);
    return super.send(message);
  }

  _onMessage(event) {
    tellMessage('got', event.data);
    super._onMessage(event);
  }
}

const tellMessage = (event, message) => {
  const sequence = /^CSeq: *(\d+) +(\w+)/im.exec(message);
  if (sequence) say(event, { line: message.split('\r\n')[0], method: sequence[2] });
};

class Phone {
  // Connects and registers; `registered` tells when it has.
  start({ url, user, password, domain, expires = 600, register = true }) {
    this.socket = new Socket(url);
    this.agent = new JsSIP.UA({
      sockets: [this.socket], uri: `sip:${user}@${domain}`, password, register, register_expires: expires,
      session_timers: false, connection_recovery_min_interval: 1, connection_recovery_max_interval: 2,
    });
    for (const event of ['connected', 'disconnected', 'unregistered'])
      this.agent.on(event, ({ error, code }) => say(event, { error, code }));
    this.agent.on('registered', ({ response }) => say('registered', { contact: response.getHeader('Contact') }));
    this.agent.on('registrationFailed', ({ cause }) => say('registrationFailed', { cause }));
    this.agent.on('newRTCSession', ({ session, originator, request }) => {
      this.session = session;
      this.follow(session);
      if (originator === 'remote') say('incoming', { from: request.from.uri.user });
    });
    this.agent.start();
  }

  // Loses its WebSocket as by a network that is gone; JsSIP opens another.
  cut() {
    this.socket._ws.close();
  }

  // Unregisters and leaves.
  stop() {
    this.agent.stop();
  }

  again() {
    this.agent.register();
  }

  follow(session) {
    const watch = (connection) => {
      connection.addEventListener('track', ({ track, streams }) => this.hear(streams[0] || new MediaStream([track])));
      connection.addEventListener('connectionstatechange', () => say('media', { state: connection.connectionState }));
    };
    if (session.connection) watch(session.connection);
    session.on('peerconnection', ({ peerconnection }) => watch(peerconnection));
    session.on('progress', ({ originator, response }) =>
      originator === 'remote' && say('progress', { status: response.status_code }));
    session.on('accepted', ({ originator }) => say('accepted', { originator }));
    session.on('confirmed', ({ originator }) => say('confirmed', { originator }));
    session.on('hold', ({ originator }) => say('hold', { originator }));
    session.on('unhold', ({ originator }) => say('resumed', { originator }));
    session.on('newDTMF', ({ originator, dtmf }) => originator === 'remote' && say('key', { digit: dtmf.tone }));
    session.on('sdp', ({ originator, type, sdp }) => say('sdp', { originator, type, sdp }));
    for (const event of ['failed', 'ended'])
      session.on(event, ({ originator, cause, message }) =>
        say(event, { originator, cause, status: (message && message.status_code) || 0 }));
    for (const event of ['getusermediafailed', 'peerconnection:setremotedescriptionfailed',
      'peerconnection:setlocaldescriptionfailed', 'peerconnection:createofferfailed',
      'peerconnection:createanswerfailed'])
      session.on(event, (error) => say('fault', { at: event, error: String(error) }));
  }

  hear(stream) {
    // Chromium decodes a remote stream only where it is also played.
    const player = document.getElementById('ear');
    player.srcObject = stream;
    player.play().catch(() => {});
    if (this.ear) this.ear.close();
    this.ear = new Ear(stream);
  }

  options() {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return { mediaConstraints: { audio, video: false }, pcConfig: { iceServers: [] } };
  }

  call(number) {
    this.agent.call(number, this.options());
  }

  answer() {
    this.session.answer(this.options());
  }

  refuse(status) {
    this.session.terminate({ status_code: status });
  }

  hangUp() {
    this.session.terminate();
  }

  // Resolves when the far side has agreed.
  hold() {
    return new Promise((done, fail) => this.session.hold({}, done) || fail(new Error('cannot hold now')));
  }

  resume() {
    return new Promise((done, fail) => this.session.unhold({}, done) || fail(new Error('cannot resume now')));
  }

  // Blind transfer by REFER; what becomes of it is told.
  transfer(target) {
    const eventHandlers = {};
    for (const event of ['requestSucceeded', 'requestFailed', 'trying', 'progress', 'accepted', 'failed'])
      eventHandlers[event] = () => say('transfer', { what: event });
    this.session.refer(target, { eventHandlers });
  }

  key(digits, by) {
    this.session.sendDTMF(digits, { transportType: by, duration: 160, interToneGap: 100 });
  }

  // How much of what is heard now is each of these tones, and how loud all of it is.
  async heard(tones) {
    if (!this.ear) return { power: 0, shares: tones.map(() => 0) };
    await this.ear.listen();
    return { power: this.ear.power(), shares: tones.map((hertz) => this.ear.share(hertz)) };
  }

  // What the connection's statistics say of the audio that came and went.
  async counted() {
    const found = { received: 0, sent: 0, lost: 0, codec: '' };
    const stats = await this.session.connection.getStats();
    for (const one of stats.values()) {
      if (one.type === 'inbound-rtp') {
        found.received = one.packetsReceived;
        found.lost = one.packetsLost;
        if (one.codecId) found.codec = stats.get(one.codecId).mimeType;
      }
      if (one.type === 'outbound-rtp') found.sent = one.packetsSent;
    }
    return found;
  }
}

window.phone = new Phone();
