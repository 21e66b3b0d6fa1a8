// Beside each file that gets smaller by it: the same for `Accept-Encoding: br` and `gzip`, so that
// the gateway compresses nothing while it answers. `index.html` gets a nonce each time: not that.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const assets = fileURLToPath(new URL('../dist/assets/', import.meta.url));
for (const name of readdirSync(assets)) {
  if (!/\.(js|css|svg|json)$/.test(name)) continue;
  const whole = readFileSync(join(assets, name));
  const brotli = brotliCompressSync(whole, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: whole.length },
  });
  const gzip = gzipSync(whole, { level: 9 });
  if (brotli.length < whole.length) writeFileSync(join(assets, `${name}.br`), brotli);
  if (gzip.length < whole.length) writeFileSync(join(assets, `${name}.gz`), gzip);
}
