// An instance's life through the clients for Node of the three clouds. Prints what each saw as one JSON object.
import {
  CreateTagsCommand,
  DescribeImagesCommand,
  DescribeVpcsCommand,
  EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
  paginateDescribeInstances,
  waitUntilInstanceRunning,
  waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import EcsModule from "@alicloud/ecs20140526";
import OpenApi from "@alicloud/openapi-client";
import pop from "@alicloud/pop-core";
import tencent from "tencentcloud-sdk-nodejs-cvm";

const env = process.env;
const region = env.AWS_REGION;
const endpoint = env.AWS_ENDPOINT_URL;
const host = new URL(endpoint).host;
const TAG = { Key: "a b", Value: "ü & <c>" };
const NOBODY = "00000000000000001";

/** What a call is refused with. */
async function refusal(call) {
  try {
    await call();
    return "nothing";
  } catch (error) {
    return error.code ?? error.name;
  }
}

async function aws() {
  const client = new EC2Client({ endpoint });
  const images = await client.send(new DescribeImagesCommand({ Filters: [{ Name: "name", Values: ["pileus-linux"] }] }));
  const launch = { ImageId: images.Images[0].ImageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 };
  const made = await client.send(new RunInstancesCommand(launch));
  const InstanceIds = [made.Instances[0].InstanceId];
  const waiting = { client, maxWaitTime: 90, minDelay: 1, maxDelay: 1 };
  await waitUntilInstanceRunning(waiting, { InstanceIds });
  await client.send(new CreateTagsCommand({ Resources: InstanceIds, Tags: [TAG] }));
  const seen = [];
  for await (const page of paginateDescribeInstances({ client, pageSize: 5 }, {})) {
    seen.push(...page.Reservations.flatMap((reservation) => reservation.Instances));
  }
  return {
    id: InstanceIds[0],
    tags: seen.map((instance) => instance.Tags),
    refusal: await refusal(() => client.send(new DescribeVpcsCommand({ VpcIds: [`vpc-${NOBODY}`] }))),
    end: async () => {
      await client.send(new TerminateInstancesCommand({ InstanceIds }));
      await waitUntilInstanceTerminated(waiting, { InstanceIds });
    },
  };
}

const alibabaKey = { accessKeyId: env.ALIBABA_CLOUD_ACCESS_KEY_ID, accessKeySecret: env.ALIBABA_CLOUD_ACCESS_KEY_SECRET };

async function popCore() {
  const client = new pop.RPCClient({ ...alibabaKey, endpoint, apiVersion: "2014-05-26" });
  const listed = await client.request("DescribeInstances", { RegionId: region, "Tag.1.Key": TAG.Key }, { method: "POST" });
  const [instance] = listed.Instances.Instance;
  return {
    id: instance.InstanceId,
    tags: instance.Tags.Tag.map((tag) => [tag.TagKey, tag.TagValue]),
    refusal: await refusal(() => client.request("StartInstance", { InstanceId: `i-${NOBODY}` })),
  };
}

async function ecs() {
  const Ecs = EcsModule.default;
  const client = new Ecs(new OpenApi.Config({ ...alibabaKey, endpoint: host, protocol: "HTTP", regionId: region }));
  const listed = await client.describeInstances(new EcsModule.DescribeInstancesRequest({ regionId: region }));
  return { id: listed.body.instances.instance[0].instanceId };
}

async function cvm() {
  const credential = { secretId: env.TENCENTCLOUD_SECRET_ID, secretKey: env.TENCENTCLOUD_SECRET_KEY };
  const profile = { httpProfile: { endpoint: host, protocol: "http://" } };
  const client = new tencent.cvm.v20170312.Client({ credential, region, profile });
  const listed = await client.DescribeInstances({ Filters: [{ Name: "tag-key", Values: [TAG.Key] }] });
  const [instance] = listed.InstanceSet;
  return {
    id: instance.InstanceId,
    tags: instance.Tags.map((tag) => [tag.Key, tag.Value]),
    refusal: await refusal(() => client.StartInstances({ InstanceIds: [`ins-${NOBODY}`] })),
  };
}

const { end, ...first } = await aws();
const saw = { aws: first, pop: await popCore(), ecs: await ecs(), cvm: await cvm() };
await end();
console.log(JSON.stringify(saw));
