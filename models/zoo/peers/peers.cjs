// What face-api's expression network answers to pictures: bytes [N, S, S, 3] in, one JSON object of scores a line out.
// Usage: node peers.cjs PICTURES S
const fs = require('fs');
const path = require('path');
require('@tensorflow/tfjs');
require('@tensorflow/tfjs-backend-wasm');
const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');

async function main() {
  const [file, side] = [process.argv[2], Number(process.argv[3])];
  await faceapi.tf.setBackend('wasm');
  await faceapi.tf.ready();
  const model = path.join(path.dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
  await faceapi.nets.faceExpressionNet.loadFromDisk(model);
  const bytes = fs.readFileSync(file);
  const length = side * side * 3;
  for (let at = 0; at + length <= bytes.length; at += length) {
    const picture = faceapi.tf.tensor3d(new Float32Array(bytes.subarray(at, at + length)), [side, side, 3]);
    console.log(JSON.stringify(await faceapi.nets.faceExpressionNet.predictExpressions(picture)));
    picture.dispose();
  }
}

main().catch((error) => {
  console.error(String(error.message || error));
  process.exit(1);
});
