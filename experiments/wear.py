"""How fast can a generator learn to draw what is worn, by a style shift of its own per thing? wearlab.py SECONDS u_rate conv_rate change_weight tag"""
import sys, time, torch, copy
from pathlib import Path
torch.set_num_threads(1)
from cddfm.stack import Stack
from cddfm.world import sample_codes
from cddfm.world.codes import split
from cddfm.world.worn import worn, WORN, conspicuous, RARE
from cddfm.worlds import ProceduralWorld
from cddfm.attention import face_attention
from cddfm.recipes.generator import kinds_by
from domains.finetune import unfrozen_copy
from domains.kinds import KINDS
from cddfm.images import to_picture
from stylespace.weights import load_network
seconds, ur, cr, cw, tag = float(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
s = Stack(Path("stack15"), "cpu"); W = s.world
f = Path("wearpool.pt")
if not f.exists():
    import glob
    im, co, pa = [], [], []
    for k in range(3):
        d = torch.load(f"pools/portrait-128-{k*1000}-{k*1000+1000}-world2.4.pt", weights_only=False)
        im.append(d["images"]); co.append(d["codes"]); pa.append(d["params"])
    im, co, pa = torch.cat(im), torch.cat(co), torch.cat(pa)
    bare = ~worn(co).any(1); im, co, pa = im[bare], co[bare], pa[bare]
    G = torch.Generator().manual_seed(5); other = conspicuous(4 * len(co), G); other = other[worn(other).any(1)][: len(co)]
    wc = co.clone(); a, b = split(wc), split(other)
    for n in ("glasses", "hat"): a[n].copy_(b[n])
    t = time.time()
    wi = torch.cat([((W.portraits(c, 128, "portrait")[0] + 1) * 127.5).round().clamp(0, 255).byte() for c in wc.split(16)]); print("drawn", len(wi), time.time() - t, flush=True)
    torch.save((im, co, pa, wi, wc), f)
im, co, pa, wi, wc = torch.load(f)
est = s.estimator.eval().requires_grad_(False)
att = face_attention(est, W.model, 3.0, 3.0)
kinds = kinds_by(KINDS[:1], est, att, 0.35, cw, 0.006, 0.0, 1.5)
g, trained = unfrozen_copy(s.generator)
L = s.generator.style_layout
U = torch.zeros(L.style_dim, len(WORN), requires_grad=True)
opt = torch.optim.Adam([{"params": trained, "lr": cr}, {"params": [U], "lr": ur}], betas=(0.9, 0.99))
x = lambda t: t.float() / 127.5 - 1
with torch.no_grad(): V = torch.cat([s.encoder(x(i), p) for i, p in zip(im.split(64), pa.split(64))]); S = torch.cat([s.generator.styles(s.generator.broadcast(v)) for v in V.split(64)])
d = torch.load("wd-portrait.pt")
sm = lambda z: torch.nn.functional.avg_pool2d(z, 2)
with torch.no_grad(): hs = s.generator.styles(s.generator.broadcast(s.encoder(d["none"][1], W.params(d["none"][0]).flatten())))
def measure():
    with torch.no_grad():
        b = g.synthesise(hs); out = []; rows = [d["none"][1][:12], b[:12]]
        for k in ("glasses", "beanie", "cap", "hat", "headband"):
            m = g.synthesise(hs + worn(d[k][0]) @ U.T); rows += [d[k][1][:12], m[:12]]
            dm, dt = sm(m - b).flatten(1), sm(d[k][1] - d["none"][1]).flatten(1)
            out.append(f"{k} {float((dm * dt).sum(1).div(dt.square().sum(1)).median()):.2f}/{float((dm - dt).square().sum(1).div(dt.square().sum(1)).median()):.2f}")
        return "  ".join(out), rows
t0 = time.time(); step = 0; n = len(im); last = 0
while time.time() - t0 < seconds:
    G = torch.Generator().manual_seed(step); r = torch.randint(n, (3,), generator=G)
    first = torch.rand(3, generator=G) < .5
    wear = worn(wc[r]); st = S[r]
    images = torch.cat([x(im[r]), x(wi[r])]); ss = torch.cat([st, st + wear @ U.T])
    made = g.synthesise(ss)
    m = kinds.descend(opt, made, images, G)
    step += 1
    if step % 100 == 0:
        o, rows = measure(); print(tag, step, round(time.time() - t0), {k: round(float(v), 3) for k, v in m.items() if k in ("encoded_picture", "encoded_change")}, o, flush=True)
        to_picture(torch.cat([torch.cat(list(r), 2) for r in rows], 1)).save(f"wear-{tag}.png")
torch.save({"g": g.state_dict(), "U": U.detach(), "step": step}, f"wear-{tag}.pt")
